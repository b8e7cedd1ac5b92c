#!/usr/bin/env bash
# Sends an order, and reads it back by its receipt.
set -euo pipefail

ingest=${FOREBAY_INGEST:-http://127.0.0.1:8080}
query=${FOREBAY_QUERY:-http://127.0.0.1:8081}
id=${1:-ORD-$(date +%s%N)}

order='{"order_id": "'$id'", "customer_id": "CUST789", "timestamp": "2025-06-30T12:30:00Z", "currency": "EUR",
  "items": [{"sku": "SHOE001", "quantity": 1, "price": 2999, "seller_id": "S7"}]}'

# An order with an id and a time of its own can be sent as often as needed: what is stored already is dropped. curl tries
# again after 429, 503 and the like, and waits for as long as Retry-After says; a 422 stays one.
answer=$(curl -sS --fail-with-body --retry 8 --retry-connrefused --max-time 30 \
  -H 'Content-Type: application/json' -d "$order" "$ingest/v1/orders")
receipt=$(sed -n 's/.*"receipt":"\([^"]*\)".*/\1/p' <<<"$answer")
echo "accepted, receipt $receipt" >&2

# With `after` the reader waits until the order is stored.
curl -sS --fail-with-body "$query/v1/customers/CUST789/orders/$id?after=$receipt&wait_ms=10000"
