//! How long the other end of a connection may keep us waiting: for its first bytes, and for taking what it asked for.
//!
//! A request of HTTP/1 has a time for its head; a connection of HTTP/2 could stand still in its preface, and any client may ask
//! for much and then read nothing. Neither costs more than a place and some memory, but a place that is never given back.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// The preface of HTTP/2, and the head of the frame that has to follow it (RFC 9113, section 3.4).
pub(super) const HTTP2_BEGINS: usize = 24 + 9;

/// What is waited for on one connection.
pub(super) struct Patience {
    /// Bytes that are still to come before it counts as begun, and when it is too late for them.
    begins: usize,
    begin_by: Instant,
    beginning: Option<Pin<Box<Sleep>>>,
    /// How long nothing may be taken of what is sent.
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// So many bytes have to come until then; and what is sent has to be taken within this time.
    pub(super) fn new(begins: usize, begin_by: Instant, stall: Duration) -> Self {
        Self { begins, begin_by, beginning: None, stall, stalled: None }
    }

    /// Something was read, or there is nothing to read yet: an error where it was waited for too long.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, got: Option<usize>) -> io::Result<()> {
        if self.begins == 0 {
            return Ok(());
        }
        self.begins = self.begins.saturating_sub(got.unwrap_or(0));
        if self.begins == 0 {
            self.beginning = None;
            return Ok(());
        }
        let by = self.begin_by;
        late(
            self.beginning.get_or_insert_with(|| Box::pin(sleep_until(by))),
            cx,
            "the connection was not begun in time",
        )
    }

    /// Something was taken of what is sent, or nothing can be sent now.
    pub(super) fn write<T>(&mut self, cx: &mut Context<'_>, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.stalled = None;
            return sent;
        }
        let by = Instant::now() + self.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(by)));
        match late(stalled, cx, "the other end takes nothing of what it asked for") {
            Ok(()) => Poll::Pending,
            Err(err) => Poll::Ready(Err(err)),
        }
    }
}

/// An error where this time is over; else whoever polls is woken then.
fn late(sleep: &mut Pin<Box<Sleep>>, cx: &mut Context<'_>, why: &'static str) -> io::Result<()> {
    match sleep.as_mut().poll(cx) {
        Poll::Pending => Ok(()),
        Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    fn patience(begins: usize) -> Patience {
        Patience::new(begins, Instant::now() + Duration::from_secs(1), Duration::from_secs(5))
    }

    async fn read(patience: &mut Patience, got: Option<usize>) -> io::Result<()> {
        poll_fn(|cx| Poll::Ready(patience.read(cx, got))).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_bytes_have_their_time_and_later_ones_have_all() {
        let mut slow = patience(33);
        assert!(read(&mut slow, Some(32)).await.is_ok());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(read(&mut slow, None).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let mut begun = patience(33);
        assert!(read(&mut begun, Some(40)).await.is_ok());
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(read(&mut begun, None).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_sent_has_to_be_taken() {
        let mut patience = patience(0);
        let mut write = async |sent: bool| {
            poll_fn(|cx| {
                let sent = if sent { Poll::Ready(Ok(1)) } else { Poll::Pending };
                Poll::Ready(match patience.write(cx, sent) {
                    Poll::Pending => "waits",
                    Poll::Ready(Ok(_)) => "sent",
                    Poll::Ready(Err(_)) => "given up",
                })
            })
            .await
        };
        assert_eq!(write(false).await, "waits");
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(write(true).await, "sent");
        assert_eq!(write(false).await, "waits");
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(write(false).await, "waits");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(write(false).await, "given up");
    }
}
