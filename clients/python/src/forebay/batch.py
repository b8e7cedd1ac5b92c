"""Many orders in one request, and which of them are sent next."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, TypeAlias

import httpx
from attrs import evolve

from forebay.answer import RefusedError, may_pass, problem_of
from forebay.api.models import BatchReport, Code, NewOrder, RejectedLine

# Bytes of a request. Larger ones gain nothing, and more would have to be sent again after a lost connection.
BATCH_BYTES = 4 * 1024 * 1024

AnyOrder: TypeAlias = NewOrder | Mapping[str, Any]


@dataclass
class Sent:
    """What became of orders that were sent together."""

    accepted: int = 0
    rejected: int = 0
    errors: list[RejectedLine] = field(default_factory=list)
    """The first ones of each request; their lines are those of all the orders, counted from 1."""
    receipts: list[str] = field(default_factory=list)
    """Of each request that it took."""

    def book(self, report: BatchReport, before: int) -> None:
        """Take note of an answer to lines that stand behind others, with how many these are."""
        self.accepted += report.accepted
        self.rejected += report.rejected
        for error in report.errors:
            self.errors.append(evolve(error, line=error.line + before))
        if report.receipt:
            self.receipts.append(report.receipt)


def outgoing(order: AnyOrder) -> dict[str, Any]:
    """Give an order what makes it the same one when it is sent again.

    One that has neither an id nor a time gets the time here, and its id by the request's key.
    """
    out = order.to_dict() if isinstance(order, NewOrder) else dict(order)
    if out.get("order_id") is None and out.get("timestamp") is None:
        out["timestamp"] = datetime.now(UTC).isoformat()
    return out


def parts(orders: Iterable[AnyOrder], bytes_max: int = BATCH_BYTES) -> Iterator[list[bytes]]:
    """Cut orders into lines that go together: as many as fit, and one at least."""
    part: list[bytes] = []
    size = 0
    for order in orders:
        line = json.dumps(outgoing(order), separators=(",", ":")).encode() + b"\n"
        if part and size + len(line) > bytes_max:
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line)
    if part:
        yield part


class Then(Enum):
    """How to go on with a batch."""

    NEXT = auto()
    """With the lines behind those that are settled."""
    SMALLER = auto()
    """With fewer of the same."""
    LATER = auto()
    """With what is left, after a pause."""


def settled_by(got: httpx.Response | httpx.TransportError, lines: int) -> tuple[int, BatchReport | None, Then]:
    """How many of a request's lines an answer settles, what became of them, and how to go on."""
    if not isinstance(got, httpx.Response):
        # Nothing is known of any line. What was accepted is a duplicate when it is sent again.
        return 0, None, Then.LATER
    report = report_of(got)
    # With 422 none of its lines was accepted.
    if report and got.status_code in (HTTPStatus.ACCEPTED, HTTPStatus.UNPROCESSABLE_ENTITY):
        return lines, report, Then.NEXT
    settled = min(report.settled_lines or 0, lines) if report else 0
    if got.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        if settled == 0 and lines == 1:
            return 1, too_large(got), Then.NEXT
        return settled, report, Then.NEXT if settled else Then.SMALLER
    if may_pass(got):
        return settled, report, Then.LATER
    raise RefusedError(got)


def report_of(answer: httpx.Response) -> BatchReport | None:
    """What an answer, or a problem, says of the lines of a batch."""
    try:
        return BatchReport.from_dict(answer.json())
    except (ValueError, KeyError, TypeError):
        return None


def too_large(answer: httpx.Response) -> BatchReport:
    """What a request of one line comes to that is too large as a whole."""
    problem = problem_of(answer)
    detail = problem.detail if problem else "the request is too large"
    error = RejectedLine(line=1, order_id=None, code=Code.TOO_LARGE.value, detail=detail)
    return BatchReport(accepted=0, rejected=1, errors=[error])
