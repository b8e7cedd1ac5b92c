//! What connects: to the server, to the primary that the sentinels name now, or to the nodes of the cluster.

use std::fmt;
use std::time::Duration;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{AsyncConnectionConfig, RedisError, TlsCertificates, TlsMode};

use crate::address::{Setup, Target};
use crate::connection::Connection;

const CONNECT_MAX: Duration = Duration::from_secs(1);

/// How often a node of a cluster may send a command on to another one.
const REDIRECTS_MAX: u32 = 2;

/// Opens connections to Redis.
#[derive(Clone)]
pub struct Client {
    place: Target,
    sentinels: Login,
    authorities: Option<Vec<u8>>,
}

/// Who comes to the sentinels, where they ask.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl Client {
    /// # Errors
    /// Where the authorities are not valid.
    pub(crate) fn new(place: Target, sentinels: Login, authorities: Option<Vec<u8>>) -> Result<Self, RedisError> {
        let client = Self { place, sentinels, authorities };
        match &client.place.setup {
            Setup::Server => client.server().map(drop)?,
            Setup::Sentinel { primary } => client.sentinel(primary).map(drop)?,
            Setup::Cluster => client.cluster(CONNECT_MAX).map(drop)?,
        }
        Ok(client)
    }

    #[cfg(test)]
    pub(crate) fn place(&self) -> &Target {
        &self.place
    }

    /// A connection to whatever serves now, on which each answer may take so long.
    ///
    /// # Errors
    /// Where nothing serves.
    pub async fn connect(&self, answer_max: Duration) -> Result<Connection, RedisError> {
        let server = match &self.place.setup {
            Setup::Server => self.server()?,
            Setup::Sentinel { primary } => self.sentinel(primary)?.async_get_client().await?,
            Setup::Cluster => {
                return Ok(Connection::Cluster(self.cluster(answer_max)?.get_async_connection().await?));
            }
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(Some(answer_max));
        Ok(Connection::Server(server.get_multiplexed_async_connection_with_config(&config).await?))
    }

    fn server(&self) -> Result<redis::Client, RedisError> {
        let node = self.place.first().clone();
        match self.certificates() {
            None => redis::Client::open(node),
            Some(certificates) => redis::Client::build_with_tls(node, certificates),
        }
    }

    fn sentinel(&self, primary: &str) -> Result<SentinelClient, RedisError> {
        let addresses = self.place.nodes.iter().map(|node| node.addr().clone());
        let mut builder = SentinelClientBuilder::new(addresses, primary, SentinelServerType::Master)?;
        let server = self.place.first().redis_settings();
        builder = builder.set_client_to_redis_db(server.db()).set_client_to_redis_protocol(server.protocol());
        if let Some(user) = server.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = server.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(user) = &self.sentinels.user {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &self.sentinels.password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if self.place.is_tls() {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = self.certificates() {
            builder = builder.set_client_to_redis_certificates(certificates.clone());
            builder = builder.set_client_to_sentinel_certificates(certificates);
        }
        builder.build()
    }

    fn cluster(&self, answer_max: Duration) -> Result<ClusterClient, RedisError> {
        let builder = ClusterClientBuilder::new(self.place.nodes.iter().cloned());
        let builder = builder.connection_timeout(CONNECT_MAX).response_timeout(answer_max).retries(REDIRECTS_MAX);
        match self.certificates() {
            None => builder.build(),
            Some(certificates) => builder.certs(certificates).build(),
        }
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        let root_cert = self.authorities.clone()?;
        Some(TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.place)
    }
}
