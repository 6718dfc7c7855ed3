//! A message as gRPC sends it: | compressed u8 = 0 | bytes u32, big end first | message |

use super::status::Fault;
use axum::body::{Body, Bytes};
use axum::http::Response;
use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message;
use tonic::Status;

/// What stands before a message.
const HEAD_BYTES: usize = 5;

/// A message in its frame.
pub(super) fn of(message: &DynamicMessage) -> Result<Bytes, Fault> {
    let bytes = message.encoded_len();
    let length = u32::try_from(bytes).map_err(|_| Fault::from(Status::out_of_range("4 GiB are too many")))?;
    let mut frame = Vec::with_capacity(HEAD_BYTES + bytes);
    frame.push(0);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&message.encode_to_vec());
    Ok(Bytes::from(frame))
}

/// The message of a reply, or the error that it is. What a service answers is within its own limits.
pub(super) async fn read(reply: Response<tonic::body::Body>) -> Result<Bytes, Fault> {
    use http_body_util::BodyExt;
    let (head, body) = reply.into_parts();
    if let Some(status) = Status::from_header_map(&head.headers).filter(|status| status.code() != tonic::Code::Ok) {
        return Err(Fault::from(status));
    }
    let whole = Body::new(body).collect().await.map_err(|_| Fault::from(Status::internal("the reply broke off")))?;
    let ended = whole.trailers().and_then(Status::from_header_map);
    if let Some(status) = ended.filter(|status| status.code() != tonic::Code::Ok) {
        return Err(Fault::from(status));
    }
    let frame = whole.to_bytes();
    if frame.len() < HEAD_BYTES {
        return Err(Fault::from(Status::internal("there was no reply")));
    }
    Ok(frame.slice(HEAD_BYTES..))
}
