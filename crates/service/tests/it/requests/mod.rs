//! What comes over HTTP.

mod bodies;
mod floods;
mod handshakes;
mod hostile;
mod http2;
mod problems;
