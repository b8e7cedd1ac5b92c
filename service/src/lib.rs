//! Forebay service.
