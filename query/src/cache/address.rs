//! Where the shared part of the cache is, who we are there, and whom is trusted.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use forebay_service::BadSetting;
use redis::{Client, ConnectionInfo, IntoConnectionInfo, TlsCertificates};

/// Which Redis server, if any: the flags of everything that uses one.
#[derive(Clone, Debug, clap::Args)]
pub struct RedisArgs {
    /// The Redis server that query processes share their cache through, or `none`; `rediss://` by TLS
    #[arg(
        long,
        env = "FOREBAY_REDIS",
        value_name = "URL",
        default_value = "redis://127.0.0.1:6381",
        hide_env_values = true
    )]
    pub redis: RedisUrl,

    /// File with the password of Redis, where it does not stand in the address
    #[arg(long, env = "FOREBAY_REDIS_PASSWORD_FILE", value_name = "FILE")]
    pub redis_password_file: Option<PathBuf>,

    /// Certificates of the authorities of Redis, as PEM, in place of the system's
    #[arg(long, env = "FOREBAY_REDIS_CA", value_name = "FILE")]
    pub redis_ca: Option<PathBuf>,
}

/// Where Redis is: a `redis://` or `rediss://` URL, or nowhere. Written out, it hides the password.
#[derive(Clone)]
pub struct RedisUrl(Option<ConnectionInfo>);

impl RedisArgs {
    /// What connects to it, where there is one.
    ///
    /// # Errors
    /// [`BadSetting`] says which file cannot be used.
    pub fn client(&self) -> Result<Option<Client>, BadSetting> {
        let Some(mut info) = self.redis.0.clone() else { return Ok(None) };
        let read = |flag: &str, file: &PathBuf| {
            std::fs::read(file).map_err(|error| BadSetting::new(format!("{flag} {}: {error}", file.display())))
        };
        if let Some(file) = &self.redis_password_file {
            let password = String::from_utf8(read("--redis-password-file", file)?)
                .map_err(|_| BadSetting::new(format!("--redis-password-file {}: this is no text", file.display())))?;
            let who = info.redis_settings().clone().set_password(password.trim_end_matches(['\r', '\n']));
            info = info.set_redis_settings(who);
        }
        let authorities = self.redis_ca.as_ref().map(|file| read("--redis-ca", file)).transpose()?;
        let client = match authorities {
            None => Client::open(info),
            Some(_) if !matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. }) => {
                return Err(BadSetting::new("--redis-ca is for an address that begins with rediss://"));
            }
            authorities => Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: authorities }),
        };
        client.map(Some).map_err(|error| BadSetting::new(format!("--redis cannot be used: {error}")))
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        let info = text.into_connection_info();
        info.map(|info| Self(Some(info))).map_err(|error| format!("not the address of a Redis server: {error}"))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("none"),
            Some(info) => write!(f, "redis://{}", info.addr()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(url: &str) -> RedisArgs {
        RedisArgs { redis: url.parse().unwrap(), redis_password_file: None, redis_ca: None }
    }

    #[test]
    fn a_password_is_not_shown() {
        let args = args("rediss://joe:secret@host:6379");
        assert!(!format!("{args:?}").contains("secret"), "{args:?}");
        assert!(!"redis://joe:secret@host:port".parse::<RedisUrl>().unwrap_err().contains("secret"));
    }

    #[test]
    fn a_password_of_a_file_is_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "pass word\n").unwrap();
        let args = RedisArgs { redis_password_file: Some(file.path().to_owned()), ..args("redis://joe@host") };
        let client = args.client().unwrap().unwrap();
        let who = client.get_connection_info().redis_settings();
        assert_eq!((who.username(), who.password()), (Some("joe"), Some("pass word")));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_one_line() {
        let nowhere = || Some(PathBuf::from("/nowhere"));
        let said = |args: RedisArgs| args.client().unwrap_err().to_string();
        let absent = "No such file or directory (os error 2)";
        let password = RedisArgs { redis_password_file: nowhere(), ..args("redis://h") };
        assert_eq!(said(password), format!("--redis-password-file /nowhere: {absent}"));
        assert_eq!(
            said(RedisArgs { redis_ca: nowhere(), ..args("rediss://h") }),
            format!("--redis-ca /nowhere: {absent}")
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        let in_the_clear = RedisArgs { redis_ca: Some(file.path().to_owned()), ..args("redis://h") };
        assert_eq!(said(in_the_clear), "--redis-ca is for an address that begins with rediss://");
        assert!(args("none").client().unwrap().is_none());
    }
}
