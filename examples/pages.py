#!/usr/bin/env python3
"""Prints every order of a customer, newest first, one a line: page after page."""

import json
import os
import sys
import urllib.parse
import urllib.request

QUERY = os.environ.get("FOREBAY_QUERY", "http://127.0.0.1:8081")


def orders(path, **parameters):
    """Every order of a list. A cursor is good for the same list with the same filter only."""
    while True:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{QUERY}{path}?{query}", timeout=30) as answer:
            page = json.load(answer)
        yield from page["data"]
        if not page["has_more"]:
            return
        parameters["cursor"] = page["next_cursor"]


def main():
    customer, *limit = sys.argv[1:] or ["CUST789"]
    path = f"/v1/customers/{urllib.parse.quote(customer, safe='')}/orders"
    for order in orders(path, limit=int(limit[0]) if limit else 100):
        print(json.dumps(order))


main()
