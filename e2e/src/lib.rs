//! Forebay e2e.
