//! What an error of Postgres means, by SQLSTATE alone: never by the text of a message.
//!
//! Source: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use std::fmt;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// The server could not be reached, or the connection broke: what it was doing may have been done or not.
    Connection,
    /// The server is starting, stopping, or ended the session.
    Shutdown,
    /// The server is a standby, or was set to refuse writes.
    ReadOnly,
    /// A lock was not got in time, a deadlock, a serialization failure: the same again may succeed.
    Contention,
    /// It took longer than allowed.
    Timeout,
    /// Memory, locks or connections ran out: less at once may succeed.
    Resources,
    /// The disk is full or broken.
    Storage,
    /// The user may not do this, or may not log in.
    Access,
    /// The database, a table or a column is not there: not migrated, or the wrong database.
    Schema,
    /// A row with that identity is already there.
    Duplicate,
    /// Postgres refuses the row for what is in it.
    Data,
    /// Anything else: somebody should look.
    Internal,
}

impl ErrorClass {
    /// Every class.
    pub const ALL: [Self; 12] = [
        Self::Connection,
        Self::Shutdown,
        Self::ReadOnly,
        Self::Contention,
        Self::Timeout,
        Self::Resources,
        Self::Storage,
        Self::Access,
        Self::Schema,
        Self::Duplicate,
        Self::Data,
        Self::Internal,
    ];

    /// The class of an error.
    pub fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => error.code().as_deref().map_or(Self::Internal, Self::of_sqlstate),
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                Self::Connection
            }
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::Connection,
            _ => Self::Internal,
        }
    }

    /// The class of a SQLSTATE.
    pub fn of_sqlstate(code: &str) -> Self {
        match code {
            "23505" => Self::Duplicate,
            "25006" => Self::ReadOnly,
            "42501" => Self::Access,
            "57014" | "25P03" => Self::Timeout,
            "40001" | "40P01" | "55P03" | "55006" => Self::Contention,
            "53100" => Self::Storage,
            // A statement or a value that is too large for some limit, such as an index entry or the stack.
            "54000" | "54001" => Self::Data,
            _ => Self::of_class(code.get(..2).unwrap_or_default()),
        }
    }

    fn of_class(class: &str) -> Self {
        match class {
            "08" => Self::Connection,
            // 44 and P0 are a view's check and a trigger of somebody's own.
            "22" | "23" | "44" | "P0" => Self::Data,
            "28" => Self::Access,
            "3D" | "3F" | "42" => Self::Schema,
            "40" => Self::Contention,
            "53" => Self::Resources,
            "57" => Self::Shutdown,
            "58" => Self::Storage,
            _ => Self::Internal,
        }
    }

    /// Whether the shard, not the question, is at fault: asking again later, or elsewhere, may succeed.
    pub const fn is_outage(self) -> bool {
        !matches!(self, Self::Duplicate | Self::Data | Self::Internal | Self::Schema | Self::Access)
    }

    /// Whether the connection is of no use any more.
    pub const fn is_broken_connection(self) -> bool {
        matches!(self, Self::Connection | Self::Shutdown)
    }

    /// Its name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Shutdown => "shutdown",
            Self::ReadOnly => "read_only",
            Self::Contention => "contention",
            Self::Timeout => "timeout",
            Self::Resources => "resources",
            Self::Storage => "storage",
            Self::Access => "access",
            Self::Schema => "schema",
            Self::Duplicate => "duplicate",
            Self::Data => "data",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The SQLSTATE of an error, where the server gave one.
pub fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_never_taken_for_bad_data() {
        let outages =
            ["08006", "57P01", "57P03", "25006", "40P01", "55P03", "57014", "53100", "53200", "53300", "58030"];
        for code in outages {
            let class = ErrorClass::of_sqlstate(code);
            assert!(class.is_outage() && class != ErrorClass::Data, "{code} is {class}");
        }
        for code in ["XX000", "XX001", "42P01", "28P01", "0A000", "", "é"] {
            assert_ne!(ErrorClass::of_sqlstate(code), ErrorClass::Data, "{code}");
        }
        for code in ["22003", "22021", "22P03", "23502", "23514", "54000", "54001", "P0001"] {
            assert_eq!(ErrorClass::of_sqlstate(code), ErrorClass::Data, "{code}");
        }
        assert_eq!(ErrorClass::of_sqlstate("23505"), ErrorClass::Duplicate);
    }
}
