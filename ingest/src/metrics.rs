//! What ingest measures.

use forebay_model::Rejection;
use metrics::counter;

forebay_service::metric_table! {
    ACCEPTED_ORDERS Counter "forebay_ingest_accepted_orders_total" [] "Orders that are in the log and were answered so";
    ACCEPTED_EVENTS Counter "forebay_ingest_accepted_events_total" [] "Events that are in the log and were answered so";
    REJECTED_ORDERS Counter "forebay_ingest_rejected_orders_total" ["code"] "Orders and events that were not accepted, by what was wrong";
    FRAMES Counter "forebay_ingest_frames_total" ["lane", "shard"] "Frames that were handed to the log";
    ROWS Counter "forebay_ingest_rows_total" ["lane", "shard"] "Facts in these frames";
    FRAME_BYTES Counter "forebay_ingest_frame_bytes_total" ["lane", "shard"] "Bytes of these frames, without their headers";
    FRAME_ROWS Histogram "forebay_ingest_frame_rows" ["lane", "shard"] "Facts of a frame";
    ACK_SECONDS Histogram "forebay_ingest_ack_seconds" ["lane", "shard"]
        "Time until the log has acknowledged a frame, all attempts together";
    MEMORY_BYTES Gauge "forebay_ingest_memory_bytes" [] "Memory that is set aside for requests in hand";
}

/// Says what each metric means, and counts what has not happened yet.
pub(crate) fn begin() {
    forebay_service::telemetry::metrics::describe(METRICS);
    for code in Rejection::CODES {
        count_rejected(code, 0);
    }
}

/// Counts orders that are not accepted, by the code that their client is told.
pub(crate) fn count_rejected(code: &'static str, orders: u64) {
    counter!(REJECTED_ORDERS.name, "code" => code).increment(orders);
}
