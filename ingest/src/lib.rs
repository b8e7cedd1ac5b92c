//! Forebay ingest.
