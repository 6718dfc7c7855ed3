"""When a failed call is sent again.

Waiting doubles from ``first_delay`` to ``delay_max``, and the wait is drawn evenly from nothing to that (full jitter), so
that clients that failed together do not come back together. A server's own hint is waited out before that. Every retry
takes a token from a bucket that all calls of a client share and that successes fill slowly: when the server is down for
everyone, retries add at most a tenth to the load. No retry outlives the call's own deadline.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass

from nigh.errors import DeadlineExceededError, NighError


@dataclass(frozen=True)
class RetryPolicy:
    """When a failed call is sent again."""

    #: How often a call is sent in all; 1: never again.
    attempts_max: int = 5
    #: The first wait is at most so many seconds.
    first_delay: float = 0.05
    #: No wait is longer, in seconds, but for a server's own hint.
    delay_max: float = 1.0
    #: Retries that may be spent at once.
    budget: float = 10.0
    #: What a success gives back to the budget.
    budget_per_success: float = 0.1

    def delay(self, retry: int, hint: float | None, drawn: float) -> float:
        """The wait before a retry, counted from 0, with ``drawn`` from 0 to 1, in seconds."""
        ceiling = min(self.first_delay * 2.0 ** min(retry, 20), self.delay_max)
        return (hint or 0.0) + ceiling * drawn


NEVER = RetryPolicy(attempts_max=1)


class Budget:
    """The tokens that retries are paid with."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._tokens = policy.budget
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Takes a token, if there is one."""
        with self._lock:
            enough = self._tokens >= 1.0
            if enough:
                self._tokens -= 1.0
            return enough

    def earn(self) -> None:
        """A call went through."""
        with self._lock:
            self._tokens = min(self._tokens + self._policy.budget_per_success, self._policy.budget)


class Attempts:
    """One call and its retries: how much time is left, and whether to try again."""

    def __init__(self, policy: RetryPolicy, budget: Budget, timeout: float | None, harmless: bool) -> None:
        self._policy = policy
        self._budget = budget
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._harmless = harmless
        self._retry = 0

    def left(self) -> float | None:
        """The seconds that the next attempt has; ``None``: as long as it takes. Raises where the time is over."""
        if self._deadline is None:
            return None
        left = self._deadline - time.monotonic()
        if left <= 0.0:
            raise DeadlineExceededError("the time of the call is over")
        return left

    def succeeded(self) -> None:
        """The call went through."""
        self._budget.earn()

    def wait_after(self, error: NighError) -> float:
        """The seconds to wait before the next attempt; raises the error where there is none."""
        again = error.retryable and (self._harmless or error.untouched)
        if not again or self._retry + 1 >= self._policy.attempts_max:
            raise error
        delay = self._policy.delay(self._retry, error.retry_after, random.random())
        left = float("inf") if self._deadline is None else self._deadline - time.monotonic()
        # A wait past the deadline could end in nothing else; the reason is worth more than the wait.
        if delay >= left or not self._budget.take():
            raise error
        self._retry += 1
        return delay
