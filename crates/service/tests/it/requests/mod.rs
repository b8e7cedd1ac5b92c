//! What comes over HTTP.

mod bodies;
mod cors;
mod encodings;
mod floods;
mod handshakes;
mod hostile;
mod http2;
mod names;
mod problems;
