//! Bodies of requests while they arrive: how long one may take, and how many bytes all of them hold.
//!
//! Whoever sends a body letter by letter holds what was read of it, so each has a time to be here; and many that are large at
//! once would be more than the process may hold, though each is within its limit, so those that come when there is no room are
//! refused. Streams are left alone: what came of them is worked on and given back as they go, and credits bound the rest.

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;

/// Why a body did not arrive: a [`Status`], which the doors find in it.
pub(super) type Broken = Box<dyn Error + Send + Sync>;

/// What all bodies of a server share.
#[derive(Debug)]
pub(super) struct Bodies {
    held: AtomicU64,
    bytes_max: u64,
    time: Duration,
}

/// A body that arrives.
pub(super) struct Arriving<B> {
    body: B,
    bodies: Arc<Bodies>,
    bytes: u64,
    last: Instant,
    late: Option<Pin<Box<Sleep>>>,
}

impl Bodies {
    /// So many bytes at once, and so long for each.
    pub(super) fn new(bytes_max: u64, time: Duration) -> Arc<Self> {
        Arc::new(Self { held: AtomicU64::new(0), bytes_max, time })
    }

    /// A body begins.
    pub(super) fn arriving<B>(self: &Arc<Self>, body: B) -> Arriving<B> {
        Arriving { body, bodies: self.clone(), bytes: 0, last: Instant::now() + self.time, late: None }
    }
}

impl<B> Body for Arriving<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Broken>,
{
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        let frame = match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let last = this.last;
                ready!(this.late.get_or_insert_with(|| Box::pin(sleep_until(last))).as_mut().poll(cx));
                let ms = this.bodies.time.as_millis();
                let why = format!("the body of the request took longer than {ms} ms to arrive (limits.request_ms)");
                return Poll::Ready(Some(Err(Status::deadline_exceeded(why).into())));
            }
        };
        if let Some(Ok(frame)) = &frame {
            let more = frame.data_ref().map_or(0, |data| data.remaining() as u64);
            this.bytes += more;
            let held = this.bodies.held.fetch_add(more, Ordering::Relaxed) + more;
            if held > this.bodies.bytes_max {
                let why = format!("bodies that arrive hold {held} bytes, at most {}: try again", this.bodies.bytes_max);
                return Poll::Ready(Some(Err(Status::resource_exhausted(why).into())));
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Arriving<B> {
    fn drop(&mut self) {
        self.bodies.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    /// Pieces, and then nothing more without an end.
    struct Pieces(Vec<&'static [u8]>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Broken;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
            match self.0.pop() {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece))))),
                None => Poll::Pending,
            }
        }
    }

    async fn next(body: &mut Arriving<Pieces>) -> Result<usize, tonic::Code> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await.unwrap();
        match frame {
            Ok(frame) => Ok(frame.into_data().unwrap().len()),
            Err(broken) => Err(broken.downcast::<Status>().unwrap().code()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_a_time_to_arrive() {
        let bodies = Bodies::new(100, Duration::from_secs(3));
        let mut body = bodies.arriving(Pieces(vec![b"abc"]));
        assert_eq!(next(&mut body).await, Ok(3));
        assert_eq!(next(&mut body).await, Err(tonic::Code::DeadlineExceeded));
    }

    #[tokio::test]
    async fn all_bodies_share_their_room_and_give_it_back() {
        let bodies = Bodies::new(10, Duration::from_secs(60));
        let mut first = bodies.arriving(Pieces(vec![b"12345678"]));
        assert_eq!(next(&mut first).await, Ok(8));
        let mut second = bodies.arriving(Pieces(vec![b"abc", b"abc"]));
        assert_eq!(next(&mut second).await, Err(tonic::Code::ResourceExhausted));
        drop(second);
        drop(first);
        assert_eq!(bodies.held.load(Ordering::Relaxed), 0);
        assert_eq!(next(&mut bodies.arriving(Pieces(vec![b"12345678"]))).await, Ok(8));
    }
}
