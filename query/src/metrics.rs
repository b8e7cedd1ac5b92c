//! What query measures.

forebay_service::metric_table! {
    CACHE_ANSWERS Counter "forebay_cache_answers_total" ["from"]
        "Answers by where they came from: this process's memory (l1), redis, Postgres (miss), or Postgres without a look (bypass)";
    CACHE_STALE Counter "forebay_cache_stale_total" ["from"] "Entries that were found and no longer held, by where they were";
    CACHE_NOTICE_GAPS Counter "forebay_cache_notice_gaps_total" [] "Times that a writer's notice was missed";
    CACHE_ENTRIES Gauge "forebay_cache_entries" [] "Entries in this process's memory";
    CACHE_BYTES Gauge "forebay_cache_bytes" [] "Bytes of these entries";
    REDIS_ERRORS Counter "forebay_cache_redis_errors_total" [] "Commands to Redis that failed or took too long";
    REDIS_DROPPED Counter "forebay_cache_redis_dropped_total" [] "Entries that were not shared, because too many waited";
    EXPORTS_RUNNING Gauge "forebay_query_exports" [] "Exports that are running";
    EXPORTS Counter "forebay_query_exports_total" ["format", "outcome"]
        "Exports that have ended: complete, cut (something failed here) or abandoned (the client has gone)";
    EXPORT_ROWS Counter "forebay_query_export_rows_total" ["format"] "Rows that went out in exports";
    SHARD_SECONDS Histogram "forebay_query_shard_seconds" ["shard", "read"] "Time that a statement took, by what it reads";
    SHARD_ROWS Counter "forebay_query_shard_rows_total" ["shard", "read"] "Rows that statements gave, by what they read";
    SHARD_ERRORS Counter "forebay_query_shard_errors_total" ["shard", "class"] "Statements that failed, by their class";
    SERVER_READS Counter "forebay_query_server_reads_total" ["shard", "server"] "Statements that a shard's server answered";
}
