"""What is done one step after the other, however the steps are carried out.

A flow is a generator: it yields what to ask, or how long to wait, and is sent what came back. So each thing is written
once, for programs that wait and for those that do something else meanwhile, and is tried without a network.
"""

import random
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from forebay.answer import GaveUpError, RefusedError, may_pass, retry_after
from forebay.api.api.ingest import post_order
from forebay.api.api.query import get_order_of_customer, get_receipt
from forebay.api.models import AcceptedOrder, Code, NewOrder, Order, PageOfOrder, ReceiptReport, ReceiptState
from forebay.api.types import UNSET
from forebay.batch import AnyOrder, Sent, Then, outgoing, parts, settled_by

# How long to wait before something is tried again where the service does not say it, in seconds: longer each time.
PAUSE_FIRST = 0.1
PAUSE_LAST = 5.0
# How long a service may wait for what a receipt names, in milliseconds.
WAIT_MS = 10_000


@dataclass(frozen=True)
class Ask:
    """A request, as `httpx` takes it, and whether it is for what reads or for what is sent to."""

    request: dict[str, Any]
    reads: bool


@dataclass(frozen=True)
class Pause:
    """How long to wait, in seconds."""

    seconds: float


T = TypeVar("T")
Flow = Generator[Ask | Pause, httpx.Response | httpx.TransportError | None, T]


class Patience:
    """For how long something has been tried without progress."""

    def __init__(self, most: float) -> None:
        """Begin with that number of seconds."""
        self.most = most
        self.renew()

    def renew(self) -> None:
        """Something was done."""
        self.since = time.monotonic()
        self.pause = PAUSE_FIRST

    def wait(self, why: httpx.Response | httpx.TransportError) -> Flow[None]:
        """Wait until it is time to try again."""
        said = retry_after(why) if isinstance(why, httpx.Response) else None
        seconds = said if said is not None else self.pause * random.uniform(0.5, 1)  # noqa: S311
        self.pause = min(self.pause * 2, PAUSE_LAST)
        if time.monotonic() - self.since + seconds > self.most:
            reason = RefusedError(why) if isinstance(why, httpx.Response) else why
            message = f"{reason}; giving up"
            raise GaveUpError(message) from reason
        yield Pause(seconds)


def insist(ask: Ask, patience: Patience) -> Flow[httpx.Response]:
    """Ask until there is an answer that stays."""
    while True:
        got = yield ask
        if isinstance(got, httpx.Response):
            if got.is_success:
                return got
            if not may_pass(got):
                raise RefusedError(got)
        assert got is not None
        yield from patience.wait(got)


def post(order: AnyOrder, seconds: float) -> Flow[AcceptedOrder]:
    """Send an order until it is safe."""
    body = order if isinstance(order, NewOrder) else NewOrder.from_dict(order)
    request = post_order._get_kwargs(body=body, idempotency_key=uuid4().hex)  # noqa: SLF001
    request["json"] = outgoing(order)
    answer = yield from insist(Ask(request, reads=False), Patience(seconds))
    return AcceptedOrder.from_dict(answer.json())


def post_all(orders: Iterable[AnyOrder], seconds: float) -> Flow[Sent]:
    """Send orders, many in a request, until each is accepted or rejected."""
    key, patience, sent, before = uuid4().hex, Patience(seconds), Sent(), 0
    for part in parts(orders):
        yield from _deliver(part, key, before, patience, sent)
        before += len(part)
    return sent


def _deliver(lines: list[bytes], key: str, before: int, patience: Patience, sent: Sent) -> Flow[None]:
    """Send lines, with how many others stand before them."""
    at_once = len(lines)
    while lines:
        now = lines[:at_once]
        got = yield Ask(_batch(now, key, before), reads=False)
        assert got is not None
        settled, report, then = settled_by(got, len(now))
        if report:
            sent.book(report, before)
        if settled:
            patience.renew()
        lines, before = lines[settled:], before + settled
        if then is Then.SMALLER:
            at_once = -(-len(now) // 2)
        elif then is Then.LATER:
            yield from patience.wait(got)


def _batch(lines: list[bytes], key: str, before: int) -> dict[str, Any]:
    """Lines as a request. The generator knows no NDJSON."""
    headers = {
        "Content-Type": "application/x-ndjson",
        "Idempotency-Key": key,
        "Forebay-First-Line": str(before + 1),
        # A batch that its client's rate slows down is answered before the client gives up.
        "Prefer": "wait=5",
    }
    return {"method": "post", "url": "/v1/orders/batch", "headers": headers, "content": b"".join(lines)}


def became_of(receipt: str, seconds: float) -> Flow[ReceiptReport]:
    """Wait until it is decided what became of the orders of a request."""
    ask = Ask(get_receipt._get_kwargs(receipt, wait_ms=WAIT_MS), reads=True)  # noqa: SLF001
    patience = Patience(seconds)
    while True:
        answer = yield from insist(ask, patience)
        report = ReceiptReport.from_dict(answer.json())
        if report.state == ReceiptState.STORED:
            return report
        patience.renew()


def order(customer_id: str, order_id: str, after: str | None, seconds: float) -> Flow[Order | None]:
    """Read an order; there may be none."""
    ask = get_order_of_customer._get_kwargs(  # noqa: SLF001
        customer_id, order_id, after=after or UNSET, wait_ms=WAIT_MS if after else UNSET
    )
    try:
        answer = yield from insist(Ask(ask, reads=True), Patience(seconds))
    except RefusedError as refused:
        if refused.code == Code.NOT_FOUND:
            return None
        raise
    return Order.from_dict(answer.json())


def page(request: dict[str, Any], cursor: str | None, seconds: float) -> Flow[PageOfOrder]:
    """Read a page of a list."""
    parameters = request.get("params", {}) | ({"cursor": cursor} if cursor else {})
    answer = yield from insist(Ask(request | {"params": parameters}, reads=True), Patience(seconds))
    return PageOfOrder.from_dict(answer.json())
