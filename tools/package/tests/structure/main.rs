//! How the workspace is put together, looked at from the outside: its folders, its sources and what Cargo says of them.

mod circles;
mod drawing;
mod metadata;
mod rooms;
mod sources;
mod statements;
mod words;
