//! Forebay query.
