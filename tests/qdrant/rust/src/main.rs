//! The official Rust client: calls that a program of the first hour makes, and the older ones.
//!
//!     cargo run -- http://127.0.0.1:6334

use anyhow::{Result, ensure};
use qdrant_client::qdrant::{
    Condition, CountPointsBuilder, CreateAliasBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder,
    DeletePointsBuilder, DeleteSnapshotRequestBuilder, Distance, FacetCountsBuilder, FieldType, Filter, Fusion,
    GetPointsBuilder, PointStruct, PointsIdsList, PrefetchQueryBuilder, Query, QueryPointGroupsBuilder,
    QueryPointsBuilder, RecommendPointsBuilder, ScrollPointsBuilder, SearchPointsBuilder, SetPayloadPointsBuilder,
    UpsertPointsBuilder, VectorParamsBuilder,
};
use qdrant_client::{Payload, Qdrant};
use serde_json::json;

const C: &str = "rust";

fn point(id: u64, vector: Vec<f32>, payload: serde_json::Value) -> Result<PointStruct> {
    Ok(PointStruct::new(id, vector, Payload::try_from(payload)?))
}

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:6334".to_owned());
    let client = Qdrant::from_url(&url).skip_compatibility_check().build()?;
    ensure!(client.health_check().await?.version.split('.').count() == 3);
    let params = VectorParamsBuilder::new(2, Distance::Dot);
    ensure!(client.create_collection(CreateCollectionBuilder::new(C).vectors_config(params)).await?.result);
    ensure!(client.collection_exists(C).await?);
    ensure!(client.list_collections().await?.collections.iter().any(|one| one.name == C));
    let points = vec![
        point(1, vec![1.0, 0.0], json!({"kind": "a", "n": 1}))?,
        point(2, vec![2.0, 0.0], json!({"kind": "b", "n": 2}))?,
        point(3, vec![0.0, 3.0], json!({"kind": "a", "n": 3}))?,
    ];
    client.upsert_points(UpsertPointsBuilder::new(C, points).wait(true)).await?;
    let info = client.collection_info(C).await?.result;
    ensure!(info.is_some_and(|info| info.points_count == Some(3)));
    let index = CreateFieldIndexCollectionBuilder::new(C, "kind", FieldType::Keyword);
    client.create_field_index(index.wait(true)).await?;

    let only_a = || Filter::must([Condition::matches("kind", "a".to_owned())]);
    let query = QueryPointsBuilder::new(C).query(vec![1.0, 0.5]).filter(only_a()).with_payload(true);
    let found = client.query(query).await?.result;
    ensure!(found.len() == 2 && found[0].payload["n"].as_integer() == Some(3), "{found:?}");
    let source = || PrefetchQueryBuilder::default().query(Query::new_nearest(vec![1.0, 0.0])).limit(2u64);
    let fused = QueryPointsBuilder::new(C).add_prefetch(source()).add_prefetch(source());
    let fused = client.query(fused.query(Query::new_fusion(Fusion::Rrf))).await?.result;
    ensure!(fused[0].score == 1.0, "{fused:?}");
    let groups = QueryPointGroupsBuilder::new(C, "kind").query(Query::new_nearest(vec![1.0, 1.0])).group_size(1u64);
    ensure!(client.query_groups(groups).await?.result.is_some_and(|groups| groups.groups.len() == 2));
    #[allow(deprecated)]
    {
        let search = SearchPointsBuilder::new(C, vec![1.0, 0.5], 1);
        ensure!(client.search_points(search).await?.result.len() == 1);
        let recommend = RecommendPointsBuilder::new(C, 1).add_positive(1);
        ensure!(client.recommend(recommend).await?.result[0].score == 2.0);
    }
    ensure!(client.facet(FacetCountsBuilder::new(C, "kind")).await?.hits[0].count == 2);

    let some = PointsIdsList { ids: vec![1.into()] };
    let payload = Payload::try_from(json!({"new": [1, null]}))?;
    client.set_payload(SetPayloadPointsBuilder::new(C, payload).points_selector(some).wait(true)).await?;
    let read = client.get_points(GetPointsBuilder::new(C, vec![1.into()]).with_payload(true)).await?.result;
    ensure!(read.len() == 1 && read[0].payload.len() == 3, "{read:?}");
    client.delete_points(DeletePointsBuilder::new(C).points(only_a()).wait(true)).await?;
    ensure!(client.count(CountPointsBuilder::new(C).exact(true)).await?.result.is_some_and(|left| left.count == 1));
    ensure!(client.scroll(ScrollPointsBuilder::new(C).limit(5)).await?.result.len() == 1);
    client.create_alias(CreateAliasBuilder::new(C, "rusty")).await?;
    ensure!(client.list_aliases().await?.aliases.iter().any(|one| one.alias_name == "rusty"));
    let snapshot = client.create_snapshot(C).await?.snapshot_description.map(|made| made.name).unwrap_or_default();
    let listed = client.list_snapshots(C).await?.snapshot_descriptions;
    ensure!(listed.len() == 1 && listed[0].name == snapshot, "{listed:?}");
    client.delete_snapshot(DeleteSnapshotRequestBuilder::new(C, &snapshot)).await?;
    ensure!(client.list_snapshots(C).await?.snapshot_descriptions.is_empty());
    ensure!(client.delete_collection(C).await?.result);
    println!("rust: every call as expected");
    Ok(())
}
