#!/usr/bin/env python3
"""Sends an order, and reads it back by its receipt."""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

INGEST = os.environ.get("FOREBAY_INGEST", "http://127.0.0.1:8080")
QUERY = os.environ.get("FOREBAY_QUERY", "http://127.0.0.1:8081")


def post(order, tries=8):
    """Sends until there is an answer that stays. An order with an id and a time of its own may be sent again."""
    request = urllib.request.Request(
        INGEST + "/v1/orders", json.dumps(order).encode(), {"Content-Type": "application/json"}
    )
    for attempt in range(tries):
        wait = min(0.1 * 2**attempt, 5)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            if refused.code not in (429, 503):
                sys.exit(f"refused: {refused.read().decode()}")
            wait = float(refused.headers.get("Retry-After", wait))
        except OSError as lost:
            print(f"no answer, sending again: {lost}", file=sys.stderr)
        time.sleep(wait)
    sys.exit("giving up")


def main():
    order = {
        "order_id": sys.argv[1] if len(sys.argv) > 1 else f"ORD-{time.time_ns()}",
        "customer_id": "CUST789",
        "timestamp": "2025-06-30T12:30:00Z",
        "items": [{"sku": "SHOE001", "quantity": 1, "price": 2999, "seller_id": "S7"}],
    }
    accepted = post(order)
    print("accepted, receipt", accepted["receipt"], file=sys.stderr)
    path = f"/v1/customers/{order['customer_id']}/orders/{urllib.parse.quote(order['order_id'])}"
    # With `after` the reader waits until the order is stored.
    after = urllib.parse.urlencode({"after": accepted["receipt"], "wait_ms": 10_000})
    with urllib.request.urlopen(f"{QUERY}{path}?{after}", timeout=30) as answer:
        print(answer.read().decode())


main()
