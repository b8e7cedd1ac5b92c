//! Forebay buffer.
