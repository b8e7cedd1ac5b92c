"""What is sent and asked, tried again until it is done.

`Client` is for programs that wait, `AsyncClient` for those that do something else meanwhile.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from typing import Any, Self, TypeVar, cast

import httpx

from forebay import flow
from forebay.api import AuthenticatedClient
from forebay.api import Client as Interface
from forebay.api.api.query import get_orders, get_orders_of_customer, get_orders_of_view
from forebay.api.models import AcceptedOrder, Order, ReceiptReport
from forebay.api.types import UNSET
from forebay.batch import AnyOrder, Sent
from forebay.flow import Ask, Flow, Pause

T = TypeVar("T")

# For how long there may be no progress where nothing else is said, in seconds.
PATIENCE = 60.0
# How long an answer may take, in seconds.
ANSWER_MAX = 30.0


class _Addresses:
    """Where the services are.

    `ingest` and `query` are what the functions of `forebay.api` take: `get_stats.sync(client=client.query)`.
    """

    def __init__(
        self,
        address: str = "http://127.0.0.1:8080",
        *,
        query: str | None = None,
        token: str | None = None,
        tenant: str | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """Take the address of all of it, as of `forebay serve`, or of ingest where what reads has one of its own.

        Everything is about `tenant`, where several share the system.
        `patience` is for how many seconds something is tried without progress.
        """
        self.patience = patience
        self.ingest = _interface(address, token, tenant)
        self.query = _interface(query or address, token, tenant)

    def _at(self, ask: Ask) -> AuthenticatedClient:
        return self.query if ask.reads else self.ingest


class Client(_Addresses):
    """A client of Forebay."""

    def __enter__(self) -> Self:
        """Connections are kept until the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the connections up."""
        self.close()

    def close(self) -> None:
        """Give the connections up."""
        self.ingest.get_httpx_client().close()
        self.query.get_httpx_client().close()

    def post(self, order: AnyOrder) -> AcceptedOrder:
        """Send an order until it is safe: it is on disk then, and will be stored, once."""
        return self._run(flow.post(order, self.patience))

    def post_all(self, orders: Iterable[AnyOrder]) -> Sent:
        """Send orders, many in a request, until each is accepted or rejected."""
        return self._run(flow.post_all(orders, self.patience))

    def became_of(self, receipt: str) -> ReceiptReport:
        """Wait until it is decided what became of the orders of a request."""
        return self._run(flow.became_of(receipt, self.patience))

    def order(self, customer_id: str, order_id: str, *, after: str | None = None) -> Order | None:
        """Read an order. With the receipt of a request, all that it has accepted is there."""
        return self._run(flow.order(customer_id, order_id, after, self.patience))

    def orders(
        self,
        *,
        customer_id: str | None = None,
        view: tuple[str, str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> Iterator[Order]:
        """Walk over a list, the newest first: of a customer, of a key of a view (`("sellers", "S7")`), or of everybody.

        `since` is the first moment, `until` the one before which it ends; `limit` is how many a page has.
        """
        request, cursor = _list(customer_id, view, since, until, after, limit), None
        while True:
            page = self._run(flow.page(request, cursor, self.patience))
            yield from page.data
            cursor = page.next_cursor
            if not page.has_more:
                return

    def _run(self, steps: Flow[T]) -> T:
        came: httpx.Response | httpx.TransportError | None = None
        while True:
            try:
                step = steps.send(came)
            except StopIteration as end:
                result: T = end.value
                return result
            came = self._step(step)

    def _step(self, step: Ask | Pause) -> httpx.Response | httpx.TransportError | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            return self._at(step).get_httpx_client().request(**step.request)
        except httpx.TransportError as lost:
            return lost


class AsyncClient(_Addresses):
    """A client of Forebay for `asyncio`; each method does what that of `Client` does."""

    async def __aenter__(self) -> Self:
        """Connections are kept until the end."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give the connections up."""
        await self.close()

    async def close(self) -> None:
        """Give the connections up."""
        await self.ingest.get_async_httpx_client().aclose()
        await self.query.get_async_httpx_client().aclose()

    async def post(self, order: AnyOrder) -> AcceptedOrder:
        """Send an order until it is safe."""
        return await self._run(flow.post(order, self.patience))

    async def post_all(self, orders: Iterable[AnyOrder]) -> Sent:
        """Send orders, many in a request, until each is accepted or rejected."""
        return await self._run(flow.post_all(orders, self.patience))

    async def became_of(self, receipt: str) -> ReceiptReport:
        """Wait until it is decided what became of the orders of a request."""
        return await self._run(flow.became_of(receipt, self.patience))

    async def order(self, customer_id: str, order_id: str, *, after: str | None = None) -> Order | None:
        """Read an order."""
        return await self._run(flow.order(customer_id, order_id, after, self.patience))

    async def orders(
        self,
        *,
        customer_id: str | None = None,
        view: tuple[str, str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str | None = None,
        limit: int = 1000,
    ) -> AsyncIterator[Order]:
        """Walk over a list, the newest first."""
        request, cursor = _list(customer_id, view, since, until, after, limit), None
        while True:
            page = await self._run(flow.page(request, cursor, self.patience))
            for order in page.data:
                yield order
            cursor = page.next_cursor
            if not page.has_more:
                return

    async def _run(self, steps: Flow[T]) -> T:
        came: httpx.Response | httpx.TransportError | None = None
        while True:
            try:
                step = steps.send(came)
            except StopIteration as end:
                result: T = end.value
                return result
            came = await self._step(step)

    async def _step(self, step: Ask | Pause) -> httpx.Response | httpx.TransportError | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return await self._at(step).get_async_httpx_client().request(**step.request)
        except httpx.TransportError as lost:
            return lost


def _interface(address: str, token: str | None, tenant: str | None) -> AuthenticatedClient:
    timeout = httpx.Timeout(ANSWER_MAX)
    headers = {} if tenant is None else {"Forebay-Tenant": tenant}
    if token is None:
        # The functions want one with a token, though access may be open.
        return cast("AuthenticatedClient", Interface(base_url=address, timeout=timeout, headers=headers))
    return AuthenticatedClient(base_url=address, timeout=timeout, headers=headers, token=token)


def _list(
    customer_id: str | None,
    view: tuple[str, str] | None,
    since: datetime | None,
    until: datetime | None,
    after: str | None,
    limit: int,
) -> dict[str, Any]:
    """The request for a list."""
    said: dict[str, Any] = {
        "from_": since or UNSET,
        "to": until or UNSET,
        "limit": limit,
        "after": after or UNSET,
        "wait_ms": flow.WAIT_MS if after else UNSET,
    }
    if customer_id is not None:
        return get_orders_of_customer._get_kwargs(customer_id, **said)  # noqa: SLF001
    if view is not None:
        return get_orders_of_view._get_kwargs(*view, **said)  # noqa: SLF001
    return get_orders._get_kwargs(**said)  # noqa: SLF001
