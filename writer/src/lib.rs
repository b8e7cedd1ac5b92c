//! Forebay writer.
