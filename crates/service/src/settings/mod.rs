//! Settings: each is a flag with an environment variable `FOREBAY_…`. Those of every service are [`ServiceSettings`](crate::ServiceSettings).

pub mod command_line;
pub mod units;
