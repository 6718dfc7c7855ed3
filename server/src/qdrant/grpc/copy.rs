//! A collection of another server of the API, copied into one of nigh's.
//!
//! The other server is read page by page, in the order of ids. Points that are here already are not fetched: a copy that
//! was broken off goes on where it ended, whoever begins it again, and nothing has to be remembered of it.

use super::{value, vectors};
use crate::qdrant::vectors::Given;
use nigh_client::{Client, CollectionSpec, Idf, IngestOptions, Metric, Point, PointId, VectorsWanted, Wanted};
use nigh_proto::MESSAGE_BYTES_MAX;
use nigh_proto::qdrant as q;
use nigh_proto::qdrant::collections_client::CollectionsClient;
use nigh_proto::qdrant::point_id::PointIdOptions;
use nigh_proto::qdrant::points_client::PointsClient;
use nigh_proto::qdrant::vectors_config::Config;
use std::collections::HashSet;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// Points whose ids are asked for at once.
const PAGE_IDS: u32 = 1000;
/// Points that are fetched at once, with vectors and payload.
const PAGE_POINTS: usize = 100;

/// Why a copy ended before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The other server is not there, or said no.
    #[error("{url}: {why}")]
    Other {
        /// Where it is.
        url: String,
        /// What it said.
        why: String,
    },
    /// The other collection has something that nigh has not.
    #[error("collection `{collection}`: {why}")]
    Unlike {
        /// The other collection.
        collection: String,
        /// What it is.
        why: String,
    },
    /// This server said no.
    #[error(transparent)]
    Here(#[from] nigh_client::Error),
}

/// What is copied.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where the other server listens for gRPC.
    pub url: String,
    /// The key that it wants, where it does.
    pub key: Option<String>,
    /// Its collection.
    pub collection: String,
}

/// How far a copy is.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Copied {
    /// Points of the other collection, as it counted them at the beginning.
    pub total: u64,
    /// Points that were here before.
    pub there: u64,
    /// Points that were copied.
    pub copied: u64,
}

/// Sends a key along.
#[derive(Clone)]
struct Key(Option<MetadataValue<Ascii>>);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("api-key", key.clone());
        }
        Ok(request)
    }
}

type Other = InterceptedService<Channel, Key>;

/// Copies it into `into`, which is made where it is not there; `tell` hears how far it is.
pub async fn copy(source: &Source, client: &Client, into: &str, mut tell: impl FnMut(Copied)) -> Result<Copied, Error> {
    let failed = |why: String| Error::Other { url: source.url.clone(), why };
    let said = |status: Status| failed(format!("{:?}: {}", status.code(), status.message()));
    let key = source.key.as_deref().map(str::parse).transpose();
    let key = Key(key.map_err(|_| failed("the key is no text of a header".to_owned()))?);
    let endpoint = Endpoint::from_shared(source.url.clone()).map_err(|err| failed(err.to_string()))?;
    let channel = endpoint.connect().await.map_err(|err| failed(format!("could not connect: {err}")))?;
    let mut collections = CollectionsClient::with_interceptor(channel.clone(), key.clone());
    let request = q::GetCollectionInfoRequest { collection_name: source.collection.clone() };
    let info = collections.get(request).await.map_err(said)?.into_inner().result.unwrap_or_default();
    let new = client.create_collection_if_absent(into, spec(source, &info)?).await?;

    let mut points = PointsClient::with_interceptor(channel, key).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let mut copied = Copied { total: info.points_count.unwrap_or_default(), ..Copied::default() };
    let mut ingest = client.ingest(into, IngestOptions::default());
    let mut offset = None;
    loop {
        let page = q::ScrollPoints {
            collection_name: source.collection.clone(),
            limit: Some(PAGE_IDS),
            offset,
            with_payload: Some(q::WithPayloadSelector {
                selector_options: Some(q::with_payload_selector::SelectorOptions::Enable(false)),
            }),
            ..q::ScrollPoints::default()
        };
        let page = points.scroll(page).await.map_err(said)?.into_inner();
        let mut ids = Vec::with_capacity(page.result.len());
        for point in page.result {
            let id = point.id.ok_or_else(|| failed("a point without an id".to_owned()))?;
            ids.push((plain(&id).ok_or_else(|| failed("a point whose id is none".to_owned()))?, id));
        }
        if !new {
            let asked = ids.iter().map(|(id, _)| *id);
            let there = client.get_with(into, asked, Wanted::Nothing, VectorsWanted::Nothing).await?;
            let there: HashSet<PointId> = there.into_iter().map(|point| point.id).collect();
            copied.there += there.len() as u64;
            ids.retain(|(id, _)| !there.contains(id));
        }
        for piece in ids.chunks(PAGE_POINTS) {
            let ids = piece.iter().map(|(_, id)| id.clone()).collect();
            for point in fetch(&mut points, source, ids).await.map_err(said)? {
                let point =
                    incoming(point).map_err(|why| Error::Unlike { collection: source.collection.clone(), why })?;
                ingest.send(point).await?;
                copied.copied += 1;
            }
            tell(copied);
        }
        offset = page.next_page_offset;
        if offset.is_none() {
            break;
        }
    }
    let done = ingest.finish().await?;
    if let Some(refusal) = done.refusals.first() {
        return Err(Error::Unlike {
            collection: source.collection.clone(),
            why: format!("{} points were refused: {}", done.progress.refused, refusal.message),
        });
    }
    Ok(copied)
}

/// Points with all that they have.
async fn fetch(
    points: &mut PointsClient<Other>,
    source: &Source,
    ids: Vec<q::PointId>,
) -> Result<Vec<q::RetrievedPoint>, Status> {
    use q::with_payload_selector::SelectorOptions as Payload;
    use q::with_vectors_selector::SelectorOptions as Vectors;
    let request = q::GetPoints {
        collection_name: source.collection.clone(),
        ids,
        with_payload: Some(q::WithPayloadSelector { selector_options: Some(Payload::Enable(true)) }),
        with_vectors: Some(q::WithVectorsSelector { selector_options: Some(Vectors::Enable(true)) }),
        ..q::GetPoints::default()
    };
    Ok(points.get(request).await?.into_inner().result)
}

fn plain(id: &q::PointId) -> Option<PointId> {
    match id.point_id_options.as_ref()? {
        PointIdOptions::Num(number) => Some(PointId::Num(*number)),
        PointIdOptions::Uuid(text) => uuid::Uuid::try_parse(text).ok().map(PointId::Uuid),
    }
}

/// What the collection has to hold.
fn spec(source: &Source, info: &q::CollectionInfo) -> Result<CollectionSpec, Error> {
    let unlike = |why: String| Error::Unlike { collection: source.collection.clone(), why };
    let params = info.config.as_ref().and_then(|config| config.params.as_ref());
    let params = params.ok_or_else(|| unlike("it does not say what it holds".to_owned()))?;
    let mut spec = CollectionSpec::new();
    let dense = match params.vectors_config.clone().and_then(|config| config.config) {
        None => Vec::new(),
        Some(Config::Params(one)) => vec![(String::new(), one)],
        Some(Config::ParamsMap(several)) => several.map.into_iter().collect(),
    };
    for (name, params) in dense {
        let metric = match params.distance() {
            q::Distance::Cosine => Metric::Cosine,
            q::Distance::Dot => Metric::Dot,
            q::Distance::Euclid => Metric::Euclid,
            q::Distance::Manhattan => Metric::Manhattan,
            q::Distance::UnknownDistance => {
                return Err(unlike(format!("vector `{name}` has a distance that nigh does not know")));
            }
        };
        let size = u32::try_from(params.size).map_err(|_| unlike(format!("vector `{name}` is too long")))?;
        spec = match params.multivector_config {
            Some(_) => spec.multi(name, size, metric),
            None => spec.vector(name, size, metric),
        };
    }
    for (name, params) in params.sparse_vectors_config.clone().unwrap_or_default().map {
        let idf = if params.modifier() == q::Modifier::Idf { Idf::Live } else { Idf::Off };
        spec = spec.sparse(name, idf);
    }
    Ok(spec)
}

/// A point as it is written here.
fn incoming(of: q::RetrievedPoint) -> Result<Point, String> {
    use q::vectors_output::VectorsOptions::{Vector, Vectors};
    let id = of.id.as_ref().and_then(plain).ok_or("a point has no id")?;
    let mut point = Point::new(id).payload(value::object(of.payload));
    let named = match of.vectors.and_then(|vectors| vectors.vectors_options) {
        None => Vec::new(),
        Some(Vector(one)) => vec![(String::new(), one)],
        Some(Vectors(several)) => several.vectors.into_iter().collect(),
    };
    for (name, vector) in named {
        let given = vectors::sent(vector).map_err(|fault| format!("vector `{name}` of {id}: {}", fault.text))?;
        point = match given {
            Given::Dense(values) => point.vector(name, values),
            Given::Sparse { indices, values } => point.sparse(name, indices.into_iter().zip(values)),
            Given::Multi(rows) => point.multi(name, rows),
        };
    }
    Ok(point)
}
