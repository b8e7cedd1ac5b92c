// Posts an order, reads it back and walks over a list, by types that are made of the description: the compiler says where they do not hold.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { components, paths } from "./forebay.js";

const client = createClient<paths>({ baseUrl: process.env.FOREBAY_INGEST });
const customer_id = randomUUID();

const order = (quantity: number): components["schemas"]["NewOrder"] => ({
  customer_id,
  order_id: `ORD${quantity}`,
  timestamp: "2025-06-30T12:30:00Z",
  items: [{ sku: "SHOE001", quantity, price: 2999, seller_id: "S7" }],
});

const refused = await client.POST("/v1/orders", { body: order(0) });
assert.equal(refused.error?.code, "invalid");

const posted = await client.POST("/v1/orders", { body: order(1) });
assert.ok(posted.data, JSON.stringify(posted.error));
const after = posted.data.receipt;
const path = { customer_id, order_id: posted.data.order_id };
const read = await client.GET("/v1/customers/{customer_id}/orders/{order_id}", { params: { path, query: { after } } });
assert.equal(read.data?.total, 2999);

const batch = await client.POST("/v1/orders/batch", { body: Array.from({ length: 24 }, (_, n) => order(n + 2)) });
assert.equal(batch.data?.accepted, 24);
const receipt = batch.data.receipt ?? "";
const became = await client.GET("/v1/receipts/{receipt}", { params: { path: { receipt }, query: { wait_ms: 10_000 } } });
assert.equal(became.data?.stored, 24);

const totals: (number | null | undefined)[] = [];
let cursor: string | undefined;
do {
  const query = { limit: 10, after: receipt, ...(cursor && { cursor }) };
  const page = await client.GET("/v1/customers/{customer_id}/orders", { params: { path: { customer_id }, query } });
  // An export would be a text.
  assert.ok(page.data && typeof page.data !== "string", JSON.stringify(page.error));
  totals.push(...page.data.data.map((order) => order.total));
  cursor = page.data.next_cursor ?? undefined;
} while (cursor);
assert.deepEqual(new Set(totals), new Set(Array.from({ length: 25 }, (_, n) => 2999 * (n + 1))));
console.log("a client of openapi-typescript posts, reads and pages");
