//! What comes over HTTP.

mod bodies;
mod hostile;
mod http2;
mod problems;
