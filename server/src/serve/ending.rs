//! Answers of gRPC on their way out: what came of a call that was begun well stands behind its answer, in the trailers.

use crate::turnstile::{Ending, Outcome};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::{HeaderMap, Response};
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::body::Body as GrpcBody;
use tonic::{Code, Status};

/// What headers, or trailers, say; without a word of it all went well so far.
pub(super) fn outcome(headers: &HeaderMap) -> Outcome {
    let code = headers.get("grpc-status").map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
    let denied = matches!(code, Code::PermissionDenied | Code::Unauthenticated);
    Outcome { good: code == Code::Ok, denied, code: format!("{code:?}"), number: code as u16 }
}

/// The answer, whose end is told.
pub(super) fn followed(response: Response<GrpcBody>, ending: Ending) -> Response<GrpcBody> {
    match response.headers().contains_key("grpc-status") {
        // Nothing comes behind it.
        true => {
            ending(&outcome(response.headers()));
            response
        }
        false => response.map(|body| GrpcBody::new(Followed { body, ending: Some(ending) })),
    }
}

/// A body whose end is told once. Where it is dropped before, nobody waited for it any more.
struct Followed {
    body: GrpcBody,
    ending: Option<Ending>,
}

impl Body for Followed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let ended = match &polled {
            Poll::Pending => None,
            Poll::Ready(Some(Ok(frame))) => frame.trailers_ref().map(outcome),
            Poll::Ready(Some(Err(status))) => {
                let code = status.code();
                Some(Outcome { good: false, denied: false, code: format!("{code:?}"), number: code as u16 })
            }
            Poll::Ready(None) => Some(outcome(&HeaderMap::new())),
        };
        if let Some(outcome) = ended
            && let Some(ending) = self.ending.take()
        {
            ending(&outcome);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
