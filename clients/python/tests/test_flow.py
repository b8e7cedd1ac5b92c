"""What is sent again, and when, without a network: a flow is told what came back."""

from collections.abc import Sequence

import httpx
import pytest

from forebay import GaveUpError, RefusedError, flow
from forebay.batch import parts
from forebay.flow import Ask, Pause

PROBLEM = {"type": "urn:x", "title": "x", "detail": "why"}
ITEM = {"sku": "A", "quantity": 1, "price": 1}
ORDER = {"customer_id": "C", "items": [ITEM]}
REPORT = {"accepted": 0, "rejected": 0, "errors": []}


def problem(status: int, code: str, **more: object) -> httpx.Response:
    """Make the answer of a service that refuses."""
    headers = {"Retry-After": "3"} if status == 503 else {}
    return httpx.Response(status, headers=headers, json=PROBLEM | {"status": status, "code": code} | more)


def run(steps: flow.Flow[object], answers: Sequence[object]) -> tuple[object, list[Ask | Pause]]:
    """Give a flow one answer after the other, and what it did."""
    done: list[Ask | Pause] = []
    came: object = None
    left = iter(answers)
    while True:
        try:
            step = steps.send(came)  # type: ignore[arg-type]
        except StopIteration as end:
            return end.value, done
        done.append(step)
        came = next(left) if isinstance(step, Ask) else None


def test_an_order_is_sent_again_as_it_was_and_when_the_service_says() -> None:
    """After a refusal that passes, and after a lost answer."""
    accepted = {"order_id": "O", "customer_id": "C", "timestamp": "2025-06-30T12:30:00Z", "shard": 0, "receipt": "r"}
    answers = [problem(503, "log_full"), httpx.ReadError("reset"), httpx.Response(202, json=accepted)]
    result, done = run(flow.post(ORDER, 60.0), answers)
    assert result.order_id == "O"  # type: ignore[attr-defined]
    asks = [step.request for step in done if isinstance(step, Ask)]
    assert asks[0] == asks[1] == asks[2]
    assert "timestamp" in asks[0]["json"]
    assert done[1] == Pause(3.0)
    assert isinstance(done[3], Pause)
    assert done[3].seconds <= flow.PAUSE_FIRST * 2


def test_a_refusal_that_stays_is_not_asked_again() -> None:
    """And one that lasts for too long is given up."""
    with pytest.raises(RefusedError, match="422 invalid: why"):
        run(flow.post(ORDER, 60.0), [problem(422, "invalid")])
    with pytest.raises(GaveUpError, match="log_full: why; giving up"):
        run(flow.post(ORDER, 2.0), [problem(503, "log_full")])


def lines_of(step: Ask | Pause) -> tuple[int, int]:
    """Which line a batch begins with, and how many it has."""
    assert isinstance(step, Ask)
    return int(step.request["headers"]["Forebay-First-Line"]), step.request["content"].count(b"\n")


def test_a_batch_that_was_cut_short_goes_on_behind_its_settled_lines() -> None:
    """The errors keep the lines of the whole."""
    error = {"line": 2, "order_id": None, "code": "invalid", "detail": "x"}
    answers = [
        problem(503, "log_full", accepted=2, rejected=1, errors=[error], settled_lines=3, receipt="r1"),
        httpx.Response(202, json=REPORT | {"accepted": 6, "rejected": 1, "errors": [error], "receipt": "r2"}),
    ]
    sent, done = run(flow.post_all([ORDER] * 10, 60.0), answers)
    assert [lines_of(step) for step in done if isinstance(step, Ask)] == [(1, 10), (4, 7)]
    assert (sent.accepted, sent.rejected, sent.receipts) == (8, 2, ["r1", "r2"])  # type: ignore[attr-defined]
    assert [error.line for error in sent.errors] == [2, 5]  # type: ignore[attr-defined]


def test_a_batch_that_is_too_large_is_halved_and_its_one_large_line_rejected() -> None:
    """The others are sent all the same."""
    large = problem(413, "too_large")
    good = httpx.Response(202, json=REPORT | {"accepted": 1})
    sent, done = run(flow.post_all([ORDER] * 2, 60.0), [large, large, good])
    assert [lines_of(step) for step in done] == [(1, 2), (1, 1), (2, 1)]
    assert (sent.accepted, sent.rejected) == (1, 1)  # type: ignore[attr-defined]


def test_orders_go_in_parts_that_fit_and_a_large_one_goes_alone() -> None:
    """However large it is."""
    orders = [ORDER, ORDER, ORDER | {"note": "x" * 1000}, ORDER]
    assert [len(part) for part in parts(orders, 300)] == [2, 1, 1]
