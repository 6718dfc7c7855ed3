//! The calls on collections.

use super::{Answer, Door, settings, since};
use crate::qdrant::collections;
use crate::qdrant::fault::Fault;
use nigh_proto::qdrant as q;
use nigh_proto::qdrant::alias_operations::Action;
use nigh_proto::qdrant::collections_server::Collections;
use serde_json::{Value, json};
use std::time::Instant;
use tonic::{Request, Response, Status};

/// One node, and no cluster.
fn standalone() -> Status {
    Status::unimplemented("nigh is running in standalone mode")
}

fn action(of: q::AliasOperations) -> Result<Value, Fault> {
    Ok(match of.action.ok_or_else(|| Fault::format("an action does nothing"))? {
        Action::CreateAlias(of) => {
            json!({"create_alias": {"collection_name": of.collection_name, "alias_name": of.alias_name}})
        }
        Action::RenameAlias(of) => {
            json!({"rename_alias": {"old_alias_name": of.old_alias_name, "new_alias_name": of.new_alias_name}})
        }
        Action::DeleteAlias(of) => json!({"delete_alias": {"alias_name": of.alias_name}}),
    })
}

fn text(of: &Value) -> String {
    of.as_str().unwrap_or_default().to_owned()
}

fn aliases(of: &Value, begun: Instant) -> Answer<q::ListAliasesResponse> {
    let one = |of: &Value| q::AliasDescription {
        alias_name: text(&of["alias_name"]),
        collection_name: text(&of["collection_name"]),
    };
    let aliases = of["aliases"].as_array().into_iter().flatten().map(one).collect();
    Ok(Response::new(q::ListAliasesResponse { aliases, time: since(begun) }))
}

fn done(result: bool, begun: Instant) -> Answer<q::CollectionOperationResponse> {
    Ok(Response::new(q::CollectionOperationResponse { result, time: since(begun) }))
}

#[tonic::async_trait]
impl Collections for Door {
    async fn get(&self, request: Request<q::GetCollectionInfoRequest>) -> Answer<q::GetCollectionInfoResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let shown = collections::describe(self.call(of.collection_name, None)).await?;
        let result = Some(settings::info(&shown));
        Ok(Response::new(q::GetCollectionInfoResponse { result, time: since(begun) }))
    }

    async fn list(&self, _: Request<q::ListCollectionsRequest>) -> Answer<q::ListCollectionsResponse> {
        let begun = Instant::now();
        let all = collections::list(self.call(String::new(), None)).await?;
        let one = |of: &Value| q::CollectionDescription { name: text(&of["name"]) };
        let collections = all["collections"].as_array().into_iter().flatten().map(one).collect();
        Ok(Response::new(q::ListCollectionsResponse { collections, time: since(begun) }))
    }

    async fn create(&self, request: Request<q::CreateCollection>) -> Answer<q::CollectionOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        done(collections::create(call, settings::create(of)?).await?, begun)
    }

    async fn update(&self, request: Request<q::UpdateCollection>) -> Answer<q::CollectionOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let call = self.call(of.collection_name.clone(), of.timeout);
        done(collections::update(call, settings::update(of)?).await?, begun)
    }

    async fn delete(&self, request: Request<q::DeleteCollection>) -> Answer<q::CollectionOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        done(collections::delete(self.call(of.collection_name, of.timeout)).await?, begun)
    }

    async fn update_aliases(&self, request: Request<q::ChangeAliases>) -> Answer<q::CollectionOperationResponse> {
        let (begun, of) = (Instant::now(), request.into_inner());
        let actions = of.actions.into_iter().map(action).collect::<Result<Vec<_>, _>>()?;
        let call = self.call(String::new(), of.timeout);
        done(collections::change_aliases(call, json!({ "actions": actions })).await?, begun)
    }

    async fn list_collection_aliases(
        &self,
        request: Request<q::ListCollectionAliasesRequest>,
    ) -> Answer<q::ListAliasesResponse> {
        let begun = Instant::now();
        let call = self.call(request.into_inner().collection_name, None);
        aliases(&collections::aliases_of(call).await?, begun)
    }

    async fn list_aliases(&self, _: Request<q::ListAliasesRequest>) -> Answer<q::ListAliasesResponse> {
        let begun = Instant::now();
        aliases(&collections::aliases(self.call(String::new(), None)).await?, begun)
    }

    async fn collection_exists(
        &self,
        request: Request<q::CollectionExistsRequest>,
    ) -> Answer<q::CollectionExistsResponse> {
        let begun = Instant::now();
        let told = collections::exists(self.call(request.into_inner().collection_name, None)).await?;
        let result = Some(q::CollectionExists { exists: told["exists"] == true });
        Ok(Response::new(q::CollectionExistsResponse { result, time: since(begun) }))
    }

    async fn collection_cluster_info(
        &self,
        request: Request<q::CollectionClusterInfoRequest>,
    ) -> Answer<q::CollectionClusterInfoResponse> {
        let begun = Instant::now();
        let told = collections::cluster(self.call(request.into_inner().collection_name, None)).await?;
        let points_count = told["local_shards"][0]["points_count"].as_u64().unwrap_or_default();
        let shard = q::LocalShardInfo { points_count, ..q::LocalShardInfo::default() };
        let (shard_count, local_shards, time) = (1, vec![shard], since(begun));
        let reply = q::CollectionClusterInfoResponse { shard_count, local_shards, time, ..Default::default() };
        Ok(Response::new(reply))
    }

    async fn update_collection_cluster_setup(
        &self,
        _: Request<q::UpdateCollectionClusterSetupRequest>,
    ) -> Answer<q::UpdateCollectionClusterSetupResponse> {
        Err(standalone())
    }

    async fn create_shard_key(&self, _: Request<q::CreateShardKeyRequest>) -> Answer<q::CreateShardKeyResponse> {
        Err(standalone())
    }

    async fn delete_shard_key(&self, _: Request<q::DeleteShardKeyRequest>) -> Answer<q::DeleteShardKeyResponse> {
        Err(standalone())
    }

    async fn list_shard_keys(&self, request: Request<q::ListShardKeysRequest>) -> Answer<q::ListShardKeysResponse> {
        let begun = Instant::now();
        self.call(request.into_inner().collection_name, None).open()?;
        Ok(Response::new(q::ListShardKeysResponse { shard_keys: Vec::new(), time: since(begun) }))
    }
}
