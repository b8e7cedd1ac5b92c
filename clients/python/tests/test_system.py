"""The package against a whole system, whose addresses the environment says."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from forebay.api.api.query import get_stats
from forebay.api.models import Stats

from forebay import AsyncClient, Client, Code, Item, NewOrder, RefusedError

INGEST, QUERY = os.environ["FOREBAY_INGEST"], os.environ["FOREBAY_QUERY"]
README = Path(__file__).parent.parent / "README.md"


def examples() -> list[str]:
    """Give the programs of the README."""
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize(
    ("example", "says"),
    [
        (0, r"2999\norder 1: /items/0/quantity .*\n999 stored, 0 had been, 0 could not be\n1000 orders"),
        (1, "ASYNC7 2999"),
    ],
)
def test_the_examples_of_the_readme_do_what_they_say(example: int, says: str) -> None:
    """Each runs as it stands there."""
    customer = f"{uuid4()}"
    program = examples()[example].replace("CUST789", customer)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert ran.returncode == 0, ran.stderr
    assert re.search(says, ran.stdout), ran.stdout


def test_what_the_types_say_is_what_comes_back() -> None:
    """An order with everything, by the generated types, and what else it has."""
    customer = str(uuid4())
    item = Item(sku="A", quantity=2, price=5)
    item["seller_id"] = customer
    order = NewOrder(customer_id=customer, items=[item], currency="CHF")
    order["gift"] = {"wrapped": True}
    with Client(INGEST, query=QUERY) as forebay:
        accepted = forebay.post(order)
        stored = forebay.order(customer, accepted.order_id, after=accepted.receipt)
        assert stored is not None
        assert (stored.total, stored.currency, stored["gift"]) == (10, "CHF", {"wrapped": True})
        assert stored.timestamp == accepted.timestamp
        assert forebay.order(customer, "nobody's") is None
        seen = list(forebay.orders(view=("sellers", customer), after=accepted.receipt))
        assert [order.subtotal for order in seen] == [10]
        stats = get_stats.sync(client=forebay.query)
        assert isinstance(stats, Stats)
        assert len(stats.shards) > 0
        with pytest.raises(RefusedError, match="/items must have") as refused:
            forebay.post({"customer_id": customer, "items": []})
        assert refused.value.code == Code.INVALID


def test_pages_follow_each_other_for_both_kinds_of_clients() -> None:
    """All of a list, however it is cut."""
    customer = str(uuid4())
    with Client(INGEST, query=QUERY) as forebay:
        sent = forebay.post_all(
            {"customer_id": customer, "items": [{"sku": "A", "quantity": n, "price": 1}]} for n in range(1, 26)
        )
        after = sent.receipts[0]
        walked = [order.total for order in forebay.orders(customer_id=customer, limit=10, after=after)]

    async def walk() -> list[object]:
        async with AsyncClient(INGEST, query=QUERY) as forebay:
            return [order.total async for order in forebay.orders(customer_id=customer, limit=7)]

    assert walked == asyncio.run(walk())
    assert sorted(str(total) for total in walked) == sorted(str(n) for n in range(1, 26))
