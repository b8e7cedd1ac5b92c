//! What the writer measures.

forebay_service::metric_table! {
    ROWS Counter "forebay_writer_rows_total" ["lane", "shard", "outcome"]
        "Facts of committed frames: stored, duplicate (stored before) or dead (to the dead letters)";
    FRAMES Counter "forebay_writer_frames_total" ["stream", "shard"] "Frames that were committed";
    BYTES Counter "forebay_writer_bytes_total" ["stream", "shard"] "Bytes of these frames, without their headers";
    STAGED_BATCHES Counter "forebay_writer_staged_batches_total" ["stream", "shard"]
        "Batches that went through a staging table, because some of their facts were stored before";
    DEAD_LETTERS Counter "forebay_writer_dead_letters_total" ["lane", "shard", "reason"]
        "Facts that became dead letters, by the reason";
    ERRORS Counter "forebay_writer_errors_total" ["stream", "shard", "class"] "Failures that a stream's writer began anew after, by their class";
    MERGES Counter "forebay_writer_merges_total" ["lane", "shard", "outcome"]
        "Attempts to make one partition of several: merged, touched (written to meanwhile), busy or failed";
    MERGE_SECONDS Histogram "forebay_writer_merge_seconds" ["lane", "shard"] "Time that it took to make one partition of several";
    BATCH_ROWS Histogram "forebay_writer_batch_rows" ["stream", "shard"] "Facts of a commit";
    COMMIT_SECONDS Histogram "forebay_writer_commit_seconds" ["stream", "shard"] "Time that a commit took, with its notice";
    COMMIT_AGE_SECONDS Histogram "forebay_writer_commit_age_seconds" ["stream", "shard"]
        "Age of a commit's oldest frame when it was committed";
    LEADER Gauge "forebay_writer_leader" ["stream", "shard"] "Whether this writer drains the stream: 1 or 0";
    HALTED Gauge "forebay_writer_halted" ["stream", "shard"] "Whether the stream stands still until somebody decides: 1 or 0";
    POSITION Gauge "forebay_writer_position" ["stream", "shard"] "Sequence number of the last frame that is committed";
    LAG_FRAMES Gauge "forebay_writer_lag_frames" ["stream", "shard"] "Frames in the log that are not committed";
    LAG_SECONDS Gauge "forebay_writer_lag_seconds" ["stream", "shard"] "Age of the first frame that is not committed; 0 without one";
    DERIVED_FRAMES_OWED Gauge "forebay_writer_derived_frames_owed" ["shard", "target"]
        "Committed frames of a shard's logged stream whose facts the target's derived stream does not have yet";
    DERIVED_OWED_SECONDS Gauge "forebay_writer_derived_owed_seconds" ["shard", "target"]
        "Since when the target is owed more facts than what is just on its way; 0 where it is not";
    MOVES_UNITS Gauge "forebay_moves_units" ["phase"]
        "Parts of shards that move, by how far that is decided; waiting: not begun; owned: there, and not yet deleted where they were";
    MOVES_STEPS Counter "forebay_moves_steps_total" ["phase"] "Phases that this process has brought moves to";
    MOVES_ROWS Counter "forebay_moves_rows_total" ["shard"] "Rows of the shard that this process has copied to others";
    MOVES_FAILURES Counter "forebay_moves_failures_total" ["shard"] "What went wrong with a shard while something moved, and was tried again";
    MOVES_HELD_UP Gauge "forebay_moves_held_up" ["shard"]
        "Whether something is wrong with the shard, and holds up what this process moves: 1 or 0";
    MOVES_AGE_SECONDS Gauge "forebay_moves_age_seconds" [] "How long this process has seen the oldest move under way; 0 without one";
    LOG_BYTES Gauge "forebay_log_bytes" ["stream", "shard"] "Bytes that the stream takes";
    LOG_BYTES_MAX Gauge "forebay_log_bytes_max" ["stream", "shard"] "Bytes that the stream may take; a full one refuses orders";
}
