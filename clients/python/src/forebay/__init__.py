"""Forebay from Python: orders are sent until they are safe, and read back.

| module | concept |
|---|---|
| `client` | `Client` and `AsyncClient`: what is sent and asked, tried again until it is done |
| `flow` | what is done one step after the other, however the steps are carried out |
| `batch` | many orders in one request; which of them are sent next |
| `answer` | what an answer means |
| `api` | types and routes, made of the description of the interface |
"""

from forebay.answer import GaveUpError, RefusedError
from forebay.api.models import (
    AcceptedOrder,
    Code,
    Item,
    NewOrder,
    Order,
    Problem,
    ReceiptReport,
    RejectedLine,
)
from forebay.batch import Sent
from forebay.client import AsyncClient, Client

__all__ = [
    "AcceptedOrder",
    "AsyncClient",
    "Client",
    "Code",
    "GaveUpError",
    "Item",
    "NewOrder",
    "Order",
    "Problem",
    "ReceiptReport",
    "RefusedError",
    "RejectedLine",
    "Sent",
]
