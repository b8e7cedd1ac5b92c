//! Headers that are Forebay's own, or mean something special here. Names are in lower case, as HTTP/2 has them.

/// Of an answer: where it comes from.
pub const CACHE: &str = "forebay-cache";
/// Of an answer: the positions that it was read at.
pub const POSITION: &str = "forebay-position";
/// Of an answer: what may still be missing in it, and since when.
pub const OWED: &str = "forebay-owed";
/// Of an export: the shards that are left out.
pub const SHARDS_MISSING: &str = "forebay-shards-missing";
/// Of a read: does what the parameter `after` does.
pub const AFTER: &str = "forebay-after";
/// Of a request: the tenant that it is about, where several share the system.
pub const TENANT: &str = "forebay-tenant";
/// Of a batch: where its first line stands in its source.
pub const FIRST_LINE: &str = "forebay-first-line";
/// Of a batch: how long the client is prepared to wait for an answer (RFC 7240, `wait`).
pub const PREFER: &str = "prefer";
/// Of what is sent: makes the ids that are assigned a function of it.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// What the client has left of its orders per second.
pub const RATE_LIMIT: &str = "ratelimit";
/// How many orders per second it may send.
pub const RATE_LIMIT_POLICY: &str = "ratelimit-policy";
/// Of a request, and of its answer: the name under which it stands in logs and problems.
pub const REQUEST_ID: &str = "x-request-id";

/// Those that a page of another origin may send, where that is let in.
pub const SENT: &[&str] = &[
    "authorization",
    "content-type",
    "content-encoding",
    "if-none-match",
    AFTER,
    FIRST_LINE,
    IDEMPOTENCY_KEY,
    PREFER,
    REQUEST_ID,
    TENANT,
];

/// Those that it may read in an answer.
pub const ANSWERED: &[&str] =
    &["etag", "retry-after", CACHE, POSITION, OWED, SHARDS_MISSING, RATE_LIMIT, RATE_LIMIT_POLICY, REQUEST_ID];
