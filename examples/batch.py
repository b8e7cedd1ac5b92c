#!/usr/bin/env python3
"""Sends orders (NDJSON, from standard input) as one stream, and goes on where it is cut short.

`forebay replay` does the same with files of any size, and remembers how far it has come.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

INGEST = os.environ.get("FOREBAY_INGEST", "http://127.0.0.1:8080")


def send(lines):
    """One request: its status, its JSON, and how long to wait where it was cut short."""
    request = urllib.request.Request(
        INGEST + "/v1/orders/batch", b"\n".join(lines), {"Content-Type": "application/x-ndjson"}
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer), 0
    except urllib.error.HTTPError as problem:
        return problem.code, json.load(problem), float(problem.headers.get("Retry-After", 1))
    except OSError:
        # Nothing is known of any line. Sending all of them again is right: what was accepted is dropped as a duplicate.
        return 0, {}, 1


def main():
    rest = [line for line in sys.stdin.buffer.read().splitlines() if line.strip()]
    accepted, done = 0, 0
    while rest:
        status, told, wait = send(rest)
        accepted += told.get("accepted", 0)
        for error in told.get("errors", []):
            print(f"line {done + error['line']}: {error['detail']}", file=sys.stderr)
        if status in (202, 422):
            break
        if status not in (0, 429, 503):
            sys.exit(f"refused: {told}")
        # Every line up to this one is accepted or rejected for good.
        settled = told.get("settled_lines", 0)
        done, rest = done + settled, rest[settled:]
        time.sleep(wait)
    print(json.dumps({"accepted": accepted}))


main()
