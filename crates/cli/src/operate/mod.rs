//! Commands for operators: what `forebay-admin` is told, and how its reports are shown.
//!
//! | module | command |
//! |---|---|
//! | [`system`] | where the log and the shards are: flags that all of them share |
//! | [`migrate`] | `forebay migrate` |
//! | [`shards`] | `forebay shards` |
//! | [`settings`] | `forebay settings` |
//! | [`views`] | `forebay views` |
//! | [`keys`] | `forebay keys` |
//! | [`doctor`] | `forebay doctor` |
//! | [`verify`] | `forebay verify` |
//! | [`backfill`] | `forebay index backfill` |
//! | [`dead`] | `forebay dead` |
//! | [`log`] | `forebay log` |
//! | [`audit`] | `forebay audit` |

pub mod audit;
pub mod backfill;
pub mod dead;
pub mod doctor;
pub mod keys;
pub mod log;
pub mod migrate;
pub mod settings;
pub mod shards;
pub mod system;
pub mod verify;
pub mod views;
