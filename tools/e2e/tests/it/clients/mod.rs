//! Who asks, and what each is told.

mod bound;
mod client;
mod examples;
mod feeds;
mod tenants;
