"""Only what is worth it is sent again, and not for ever."""

import grpc
import grpc.aio
import pytest

import nigh
from nigh.errors import from_rpc, refusal
from nigh.retry import Attempts, Budget, RetryPolicy

FAST = RetryPolicy(first_delay=0.0)


def calls(error, harmless, policy=FAST, budget=None):
    """How often a call is sent that always fails so."""
    attempts, sent = Attempts(policy, budget or Budget(policy), 60.0, harmless), 0
    try:
        while True:
            sent += 1
            attempts.wait_after(error)
    except nigh.NighError:
        return sent


@pytest.mark.parametrize(
    ("code", "harmless", "sent"),
    [
        ("UNAVAILABLE", True, 5),
        ("RESOURCE_EXHAUSTED", True, 5),
        ("INVALID_ARGUMENT", True, 1),
        ("INTERNAL", True, 1),
        ("DEADLINE_EXCEEDED", True, 1),
        ("UNAVAILABLE", False, 1),
        ("RESOURCE_EXHAUSTED", False, 5),
    ],
)
def test_codes_decide(code, harmless, sent):
    assert calls(refusal(code, "no"), harmless) == sent


@pytest.mark.parametrize(("said", "sent"), [("Internal error from Core", 5), ("the index is broken", 1)])
def test_a_call_that_lost_its_connection_is_sent_again(said, sent):
    nothing = grpc.aio.Metadata()
    error = from_rpc(grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, nothing, nothing, details=said))
    assert calls(error, True) == sent


def test_what_passes_a_limit_is_not_sent_again():
    assert calls(refusal("RESOURCE_EXHAUSTED", "no", "ops", "20000; at most 10000"), True) == 1


def test_the_budget_is_shared_and_earned_back():
    policy = RetryPolicy(attempts_max=100, first_delay=0.0, budget=3.0, budget_per_success=0.5)
    budget, no = Budget(policy), refusal("UNAVAILABLE", "no")
    assert calls(no, True, policy, budget) == 4
    assert calls(no, True, policy, budget) == 1
    budget.earn()
    budget.earn()
    assert calls(no, True, policy, budget) == 2


def test_waits_double_and_a_hint_is_waited_out():
    policy = RetryPolicy()
    assert [policy.delay(retry, None, 1.0) for retry in (0, 3, 40)] == [0.05, 0.4, 1.0]
    assert policy.delay(0, 7.0, 0.0) == 7.0


def test_a_wait_beyond_the_deadline_ends_the_call_at_once():
    late = refusal("UNAVAILABLE", "no", retry_after=120.0)
    assert calls(late, True) == 1
