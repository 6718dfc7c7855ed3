//! When a failed call is sent again.
//!
//! Waiting doubles from `first_delay` to `delay_max`, and the wait is drawn evenly from nothing to
//! that (full jitter), so that clients that failed together do not come back together. A server's
//! own hint is waited out before that. Every retry takes a token from a bucket that all calls of a
//! client share and that successes fill slowly: when the server is down for everyone, retries add
//! at most a tenth to the load. No retry outlives the call's own deadline.

use crate::error::{Error, Result};
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// When a failed call is sent again.
#[derive(Clone, PartialEq, Debug)]
pub struct RetryPolicy {
    /// How often a call is sent in all; 1: never again.
    pub attempts_max: u32,
    /// The first wait is at most this.
    pub first_delay: Duration,
    /// No wait is longer, but for a server's own hint.
    pub delay_max: Duration,
    /// Retries that may be spent at once.
    pub budget: f64,
    /// What a success gives back to the budget.
    pub budget_per_success: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 5,
            first_delay: Duration::from_millis(50),
            delay_max: Duration::from_secs(1),
            budget: 10.0,
            budget_per_success: 0.1,
        }
    }
}

impl RetryPolicy {
    /// Never send a call again.
    pub fn never() -> Self {
        Self { attempts_max: 1, ..Self::default() }
    }

    /// The wait before retry number `retry` (from 0), with `drawn` from 0 to 1.
    pub(crate) fn delay(&self, retry: u32, hint: Option<Duration>, drawn: f64) -> Duration {
        let ceiling = self.first_delay.saturating_mul(1_u32 << retry.min(20)).min(self.delay_max);
        hint.unwrap_or_default() + ceiling.mul_f64(drawn.clamp(0.0, 1.0))
    }
}

/// The tokens that retries are paid with.
#[derive(Debug)]
pub(crate) struct Budget {
    tokens: Mutex<f64>,
    full: f64,
    per_success: f64,
}

impl Budget {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        Self { tokens: Mutex::new(policy.budget), full: policy.budget, per_success: policy.budget_per_success }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&self) -> bool {
        let mut tokens = self.tokens.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let enough = *tokens >= 1.0;
        if enough {
            *tokens -= 1.0;
        }
        enough
    }

    /// A call went through.
    pub(crate) fn earn(&self) {
        let mut tokens = self.tokens.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *tokens = (*tokens + self.per_success).min(self.full);
    }
}

/// Whether sending a call twice is as good as sending it once.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Repeat {
    /// It is.
    Harmless,
    /// It is not: sent again only where the server did nothing.
    Matters,
}

/// Sends a call until it goes through, is refused for good, or its time is over. `send` is given
/// the time that is left.
pub(crate) async fn run<T, F>(
    policy: &RetryPolicy,
    budget: &Budget,
    timeout: Duration,
    repeat: Repeat,
    mut send: impl FnMut(Duration) -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let deadline = Instant::now() + timeout;
    let mut retry = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let error = match tokio::time::timeout_at(deadline, send(left)).await {
            Err(_) => return Err(Error::Deadline { after: timeout }),
            Ok(Ok(done)) => {
                budget.earn();
                return Ok(done);
            }
            Ok(Err(error)) => error,
        };
        let again = error.is_retryable() && (repeat == Repeat::Harmless || error.is_untouched());
        if !again || retry + 1 >= policy.attempts_max {
            return Err(error);
        }
        let delay = policy.delay(retry, error.retry_after(), fastrand::f64());
        // A wait past the deadline could end in nothing else; the reason is worth more than the wait.
        if Instant::now() + delay >= deadline || !budget.take() {
            return Err(error);
        }
        tokio::time::sleep(delay).await;
        retry += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use std::cell::Cell;

    const LONG: Duration = Duration::from_secs(60);

    fn refusal(code: Code, retry_after: Option<Duration>) -> Error {
        Error::Server { code, field: None, message: "no".to_owned(), retry_after }
    }

    /// Runs against a server that refuses so often, and says how often it was asked.
    async fn calls(policy: &RetryPolicy, budget: &Budget, repeat: Repeat, refusals: u32, no: Error) -> (u32, bool) {
        let sent = Cell::new(0);
        let outcome = run(policy, budget, LONG, repeat, |_| {
            sent.set(sent.get() + 1);
            let answer = if sent.get() > refusals { Ok(()) } else { Err(no.clone()) };
            async move { answer }
        })
        .await;
        (sent.get(), outcome.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_worth_it_is_sent_again() {
        let policy = RetryPolicy::default();
        let cases = [
            (Repeat::Harmless, Code::Unavailable, 3, true),
            (Repeat::Harmless, Code::ResourceExhausted, 3, true),
            (Repeat::Harmless, Code::InvalidArgument, 1, false),
            (Repeat::Harmless, Code::Internal, 1, false),
            (Repeat::Matters, Code::Unavailable, 1, false),
            (Repeat::Matters, Code::ResourceExhausted, 3, true),
        ];
        for (repeat, code, sent, through) in cases {
            let budget = Budget::new(&policy);
            assert_eq!(calls(&policy, &budget, repeat, 2, refusal(code, None)).await, (sent, through), "{code:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_end() {
        let policy = RetryPolicy { attempts_max: 4, ..RetryPolicy::default() };
        let budget = Budget::new(&policy);
        let no = refusal(Code::Unavailable, None);
        assert_eq!(calls(&policy, &budget, Repeat::Harmless, 100, no).await, (4, false));
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_is_shared_and_earned_back() {
        let policy = RetryPolicy { attempts_max: 100, budget: 3.0, budget_per_success: 0.5, ..RetryPolicy::default() };
        let budget = Budget::new(&policy);
        let no = || refusal(Code::Unavailable, None);
        assert_eq!(calls(&policy, &budget, Repeat::Harmless, 100, no()).await, (4, false), "three tokens");
        assert_eq!(calls(&policy, &budget, Repeat::Harmless, 100, no()).await, (1, false), "none left");
        for _ in 0..2 {
            assert_eq!(calls(&policy, &budget, Repeat::Harmless, 0, no()).await, (1, true));
        }
        assert_eq!(calls(&policy, &budget, Repeat::Harmless, 100, no()).await, (2, false), "two successes, one token");
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_hint_is_waited_out() {
        let policy = RetryPolicy { attempts_max: 2, ..RetryPolicy::default() };
        let start = Instant::now();
        let no = refusal(Code::ResourceExhausted, Some(Duration::from_secs(7)));
        assert_eq!(calls(&policy, &Budget::new(&policy), Repeat::Harmless, 1, no).await, (2, true));
        let waited = start.elapsed();
        assert!(
            waited >= Duration::from_secs(7) && waited <= Duration::from_secs(7) + policy.first_delay,
            "{waited:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_hint_beyond_the_deadline_ends_the_call_at_once() {
        let policy = RetryPolicy::default();
        let start = Instant::now();
        let no = refusal(Code::Unavailable, Some(LONG * 2));
        assert_eq!(calls(&policy, &Budget::new(&policy), Repeat::Harmless, 1, no).await, (1, false));
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_never_ends_ends_at_its_deadline() {
        let policy = RetryPolicy::default();
        let start = Instant::now();
        let never = |left: Duration| {
            assert_eq!(left, LONG, "the attempt is told its time");
            std::future::pending::<Result<()>>()
        };
        let outcome = run(&policy, &Budget::new(&policy), LONG, Repeat::Harmless, never).await;
        assert!(matches!(outcome, Err(Error::Deadline { after: LONG })), "{outcome:?}");
        assert_eq!(start.elapsed(), LONG);
    }

    #[test]
    fn waits_double_up_to_the_greatest() {
        let policy = RetryPolicy::default();
        let longest = |retry| policy.delay(retry, None, 1.0);
        assert_eq!(longest(0), Duration::from_millis(50));
        assert_eq!(longest(3), Duration::from_millis(400));
        assert_eq!(longest(40), Duration::from_secs(1));
        assert_eq!(policy.delay(3, None, 0.0), Duration::ZERO);
        let mean: Duration = (0..1000).map(|_| policy.delay(3, None, fastrand::f64())).sum::<Duration>() / 1000;
        assert!((150..250).contains(&mean.as_millis()), "drawn evenly: {mean:?}");
    }
}
