//! The forms of an address:
//!
//! | | |
//! |---|---|
//! | `redis://[USER:PASSWORD@]HOST[:6379][/DB]` | one server |
//! | `redis+sentinel://[USER:PASSWORD@]HOST[:26379],…/NAME[/DB]` | the primary that these sentinels call NAME |
//! | `redis+cluster://[USER:PASSWORD@]HOST[:6379],…` | the cluster that these nodes are of |
//! | `none` | nowhere |
//!
//! `rediss` in place of `redis` stands for TLS, to sentinels and servers alike. User and password are those of the servers.

use std::fmt;
use std::str::FromStr;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// The port of sentinels, where none is named.
const SENTINEL_PORT: u16 = 26379;

/// Where Redis is, or `none`. Written out, it hides user and password.
#[derive(Clone)]
pub struct RedisUrl(pub(crate) Option<Target>);

/// Where it is.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) setup: Setup,
    /// Of servers, or of sentinels; user, password and database are those of servers. There is at least one.
    pub(crate) nodes: Vec<ConnectionInfo>,
}

/// What stands at the named nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    Server,
    /// Sentinels, who call the primary by this name.
    Sentinel {
        primary: String,
    },
    Cluster,
}

impl Target {
    /// The first of the nodes, which says what holds for all.
    pub(crate) fn first(&self) -> &ConnectionInfo {
        &self.nodes[0]
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.first().addr(), ConnectionAddr::TcpTls { .. })
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        place(text).map(|place| Self(Some(place))).map_err(|fault| format!("not the address of Redis: {fault}"))
    }
}

fn place(text: &str) -> Result<Target, String> {
    let several = text.split_once("://").and_then(|(scheme, rest)| Some((scheme.rsplit_once('+')?, rest)));
    match several {
        Some(((scheme, "sentinel"), rest)) => {
            let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
            let (primary, db) = path.split_once('/').unwrap_or((path, ""));
            if primary.is_empty() {
                return Err("it does not say what the sentinels call the primary: …HOST:PORT/NAME".to_owned());
            }
            let nodes = nodes(scheme, hosts, db, Some(SENTINEL_PORT))?;
            Ok(Target { setup: Setup::Sentinel { primary: primary.to_owned() }, nodes })
        }
        Some(((scheme, "cluster"), rest)) => {
            let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
            Ok(Target { setup: Setup::Cluster, nodes: nodes(scheme, hosts, path, None)? })
        }
        _ => Ok(Target { setup: Setup::Server, nodes: vec![node(text)?] }),
    }
}

/// Each host by itself is the address of a server.
fn nodes(scheme: &str, hosts: &str, db: &str, port: Option<u16>) -> Result<Vec<ConnectionInfo>, String> {
    let (user, hosts) = hosts.rsplit_once('@').unwrap_or(("", hosts));
    let url = |host: &str| match port.filter(|_| !names_port(host)) {
        Some(port) => format!("{scheme}://{user}@{host}:{port}/{db}"),
        None => format!("{scheme}://{user}@{host}/{db}"),
    };
    hosts.split(',').map(|host| node(&url(host))).collect()
}

/// The colons of an IPv6 address stand in brackets.
fn names_port(host: &str) -> bool {
    host.rsplit(']').next().is_some_and(|rest| rest.contains(':'))
}

fn node(url: &str) -> Result<ConnectionInfo, String> {
    url.into_connection_info().map_err(|error| error.to_string())
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("none"),
            Some(place) => write!(f, "{place}"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.addr().to_string()).collect();
        let nodes = nodes.join(",");
        match &self.setup {
            Setup::Server => f.write_str(&nodes),
            Setup::Sentinel { primary } => write!(f, "{primary} of the sentinels {nodes}"),
            Setup::Cluster => write!(f, "the cluster {nodes}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        let url: RedisUrl = url.parse().unwrap();
        let nodes = url.0.iter().flat_map(|place| &place.nodes);
        let who: Vec<_> = nodes.map(ConnectionInfo::redis_settings).collect();
        let who: Vec<_> = who.iter().map(|who| (who.username(), who.password(), who.db())).collect();
        assert!(who.windows(2).all(|two| two[0] == two[1]), "{who:?}");
        let is_tls = url.0.as_ref().is_some_and(Target::is_tls);
        format!("{url:?} {:?} {is_tls}", who.first())
    }

    #[test]
    fn an_address_has_one_of_three_forms() {
        for (url, what) in [
            ("none", "none None false"),
            ("redis://h", "h:6379 Some((None, None, 0)) false"),
            ("rediss://joe:pw@h:1/3", r#"h:1 Some((Some("joe"), Some("pw"), 3)) true"#),
            ("redis+sentinel://a,b:7/main", "main of the sentinels a:26379,b:7 Some((None, None, 0)) false"),
            (
                "rediss+sentinel://joe:p%2Fw@[::1],b/main/2",
                r#"main of the sentinels ::1:26379,b:26379 Some((Some("joe"), Some("p/w"), 2)) true"#,
            ),
            ("rediss+cluster://:pw@a:1,[::1]:2,c", r#"the cluster a:1,::1:2,c:6379 Some((None, Some("pw"), 0)) true"#),
            ("valkey+cluster://a/", "the cluster a:6379 Some((None, None, 0)) false"),
        ] {
            assert_eq!(shown(url), what, "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_without_its_password() {
        for (url, fault) in [
            ("redis+sentinel://joe:secret@a,b", "it does not say what the sentinels call the primary: …HOST:PORT/NAME"),
            ("redis+sentinel://joe:secret@a,/main", "Redis URL did not parse - InvalidClientConfig"),
            ("redis+sentinel://joe:secret@a/main/x", "Invalid database number - InvalidClientConfig"),
            ("redis+cluster://joe:secret@a:b", "Redis URL did not parse - InvalidClientConfig"),
            ("redis+cluster://", "Redis URL did not parse - InvalidClientConfig"),
            ("http+cluster://joe:secret@a", "Redis URL did not parse - InvalidClientConfig"),
            ("redis+other://joe:secret@a", "Redis URL did not parse - InvalidClientConfig"),
            ("redis://joe:secret@host:port", "Redis URL did not parse - InvalidClientConfig"),
        ] {
            let said = url.parse::<RedisUrl>().unwrap_err();
            assert_eq!(said, format!("not the address of Redis: {fault}"), "{url}");
        }
        for url in ["rediss://joe:secret@host", "redis+sentinel://joe:secret@a/main", "redis+cluster://joe:secret@a"] {
            let said = format!("{:?}", url.parse::<RedisUrl>().unwrap());
            assert!(!said.contains("secret") && !said.contains("joe"), "{said}");
        }
    }
}
