//! A session with a shard: which of its addresses to talk to, within what time, under which settings.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use tokio::time::timeout;

use crate::connection::address::{ShardAddress, ShardAddresses};
use crate::connection::identity::{Foreign, Identity};
use crate::connection::socket::set_up_sockets;
use crate::connection::sqlstate::ErrorClass;

/// How long one address may take until a session is ready.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How many prepared statements a connection keeps. Reads have one for each part of time that they are divided into.
const STATEMENTS_MAX: usize = 512;

/// What a session is for.
#[derive(Clone, Debug, Default)]
pub struct SessionSettings {
    /// How it is named in `pg_stat_activity`.
    pub application_name: String,
    /// The longest a statement may run. (It does not end a COPY that waits for its client.)
    pub statement_timeout: Duration,
    /// The longest a statement may wait for one lock.
    pub lock_timeout: Duration,
    /// Further settings of Postgres, such as `("plan_cache_mode", "force_generic_plan")`. A server that does not know one
    /// goes without.
    pub parameters: Vec<(&'static str, &'static str)>,
}

impl SessionSettings {
    /// For a question or two.
    pub(crate) fn for_looking() -> Self {
        Self {
            application_name: "forebay".to_owned(),
            statement_timeout: CONNECT_MAX,
            lock_timeout: CONNECT_MAX,
            ..Self::default()
        }
    }
}

/// No address of a shard gave a session.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(|(address, refused)| format!("{address}: {refused}")).collect::<Vec<_>>().join("; "))]
pub struct ConnectError(Vec<(ShardAddress, Refused)>);

/// Why one address gave no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// It is a standby, and the session is to write.
    #[error("is a standby")]
    Standby,
    /// It did not answer within [`CONNECT_MAX`].
    #[error("does not answer")]
    Silent,
    /// Its database is somebody else's.
    #[error("{0}")]
    Foreign(Foreign),
    /// It refused the connection, the user, or the first statement.
    #[error("{0}")]
    Failed(#[from] sqlx::Error),
}

impl Refused {
    /// Whether the server may take the connection in a moment: it is there and starts, or has as many as it takes. Where nobody listens,
    /// that is known at once.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Failed(error) => ErrorClass::of(error) == ErrorClass::Shutdown || self.is_of_resources(),
            Self::Standby | Self::Silent | Self::Foreign(_) => false,
        }
    }

    /// Whether the server has as many connections as it takes.
    pub(crate) fn is_of_resources(&self) -> bool {
        matches!(self, Self::Failed(error) if ErrorClass::of(error) == ErrorClass::Resources)
    }
}

impl ConnectError {
    /// The class of the first address's failure: the one of the primary.
    pub fn class(&self) -> ErrorClass {
        match self.0.first() {
            Some((_, Refused::Standby)) => ErrorClass::ReadOnly,
            Some((_, Refused::Failed(error))) => ErrorClass::of(error),
            Some((_, Refused::Foreign(_))) => ErrorClass::Schema,
            Some((_, Refused::Silent)) | None => ErrorClass::Connection,
        }
    }

    /// The one address there is leads to somebody else's database.
    pub(crate) fn foreign(address: ShardAddress, foreign: Foreign) -> Self {
        Self(vec![(address, Refused::Foreign(foreign))])
    }

    /// Whether an address leads to somebody else's database: only other settings change that.
    pub fn is_foreign(&self) -> bool {
        self.0.iter().any(|(_, refused)| matches!(refused, Refused::Foreign(_)))
    }
}

/// Connects to the first address that is a primary. There is no `target_session_attrs` in the client library, so each is asked.
pub(crate) async fn connect_primary(
    addresses: &ShardAddresses,
    settings: &SessionSettings,
) -> Result<(PgConnection, ShardAddress), ConnectError> {
    let mut refused = Vec::new();
    for address in addresses.iter() {
        match connect(address, settings).await {
            Ok((connection, Role::Primary { .. })) => return Ok((connection, address.clone())),
            Ok((_, Role::Standby)) => refused.push((address.clone(), Refused::Standby)),
            Err(error) => refused.push((address.clone(), error)),
        }
    }
    Err(ConnectError(refused))
}

/// What a server is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It writes. Each promotion begins a later timeline.
    Primary { timeline: u32 },
    /// It only follows.
    Standby,
}

impl Role {
    /// What it is asked by, as SQL: the timeline that the server writes, which is null on a standby. The first eight
    /// hexadecimal digits of a log file's name are its timeline.
    pub(crate) const SQL: &str = "case when not pg_is_in_recovery() \
        then ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int4 end";

    /// What the answer says.
    pub(crate) fn of(timeline: Option<i32>) -> Self {
        timeline.map_or(Self::Standby, |timeline| Self::Primary { timeline: timeline.cast_unsigned() })
    }
}

/// Connects to one address, applies the settings, and says what the server is. Boxed, because an `async fn` is compiled in each
/// crate that awaits it, and with this one the making of a connection in sqlx and rustls.
pub(crate) fn connect<'a>(
    address: &'a ShardAddress,
    settings: &'a SessionSettings,
) -> BoxFuture<'a, Result<(PgConnection, Role), Refused>> {
    connect_unboxed(address, settings).boxed()
}

async fn connect_unboxed(address: &ShardAddress, settings: &SessionSettings) -> Result<(PgConnection, Role), Refused> {
    let options = address.options_now().application_name(&settings.application_name);
    let ready = async {
        let mut connection = options.statement_cache_capacity(STATEMENTS_MAX).connect().await?;
        let role = prepare(&mut connection, address, settings).await?;
        address.expected().check(Identity::read(&mut connection).await?).map_err(Refused::Foreign)?;
        Ok((connection, role))
    };
    timeout(CONNECT_MAX, ready).await.unwrap_or(Err(Refused::Silent))
}

/// Applies the settings to a new session, as far as the server knows them, and says what the server is.
///
/// They make the server notice within seconds that a client is gone, and give up its locks: the next writer must not wait
/// for a ghost.
async fn prepare(
    connection: &mut PgConnection,
    address: &ShardAddress,
    settings: &SessionSettings,
) -> Result<Role, sqlx::Error> {
    const SQL: &str = "select count(set_config(name, value, false)) \
        from unnest($1::text[], $2::text[]) as wanted(name, value) join pg_settings using (name) \
        where setting is distinct from value";
    let sql = format!("select {}, ({SQL})", Role::SQL);
    let ms = |duration: Duration| duration.as_millis().to_string();
    let wanted = [
        ("statement_timeout", ms(settings.statement_timeout)),
        ("lock_timeout", ms(settings.lock_timeout)),
        ("idle_in_transaction_session_timeout", "60000".to_owned()),
        ("tcp_keepalives_idle", "5".to_owned()),
        ("tcp_keepalives_interval", "2".to_owned()),
        ("tcp_keepalives_count", "3".to_owned()),
        ("tcp_user_timeout", "10000".to_owned()),
        ("client_connection_check_interval", "2000".to_owned()),
        // Compiling a plan takes longer than any statement of ours runs.
        ("jit", "off".to_owned()),
    ];
    let further = settings.parameters.iter().map(|&(name, value)| (name, value.to_owned()));
    let (names, values): (Vec<&str>, Vec<String>) = wanted.into_iter().chain(further).unzip();
    set_up_sockets(address.options().get_port()).await;
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(names).bind(values).fetch_one(connection).await?;
    Ok(Role::of(row.try_get(0)?))
}
