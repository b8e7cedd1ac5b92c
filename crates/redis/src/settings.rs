//! Flags and environment variables of everything that uses Redis.

use std::path::PathBuf;

use forebay_service::BadSetting;

use crate::address::{RedisUrl, Setup, Target};
use crate::client::{Client, Login};

/// Where Redis is looked for, where nothing is said.
pub const LOCAL_REDIS: &str = "redis://127.0.0.1:6381";

/// Where Redis is, who we are there, and whom is trusted.
#[derive(Clone, Debug, clap::Args)]
pub struct RedisArgs {
    /// The Redis that query processes share their cache through: `redis://HOST:PORT`,
    /// `redis+sentinel://HOST:PORT,HOST:PORT/NAME`, `redis+cluster://HOST:PORT,HOST:PORT` or `none`; `rediss` by TLS
    #[arg(long, env = "FOREBAY_REDIS", value_name = "URL", default_value = LOCAL_REDIS, hide_env_values = true)]
    pub redis: RedisUrl,

    /// File with the password of Redis, where it does not stand in the address
    #[arg(long, env = "FOREBAY_REDIS_PASSWORD_FILE", value_name = "FILE")]
    pub redis_password_file: Option<PathBuf>,

    /// The user of the sentinels of Redis, where they have another than the default one
    #[arg(long, env = "FOREBAY_REDIS_SENTINEL_USER", value_name = "USER")]
    pub redis_sentinel_user: Option<String>,

    /// File with the password of the sentinels of Redis, where they ask for one
    #[arg(long, env = "FOREBAY_REDIS_SENTINEL_PASSWORD_FILE", value_name = "FILE")]
    pub redis_sentinel_password_file: Option<PathBuf>,

    /// Certificates of the authorities of Redis, as PEM, in place of the system's
    #[arg(long, env = "FOREBAY_REDIS_CA", value_name = "FILE")]
    pub redis_ca: Option<PathBuf>,
}

impl RedisArgs {
    /// What connects to it, where there is one.
    ///
    /// # Errors
    /// [`BadSetting`] says which file cannot be used, or what does not go together.
    pub fn client(&self) -> Result<Option<Client>, BadSetting> {
        let Some(mut place) = self.redis.0.clone() else { return Ok(None) };
        self.check(&place)?;
        if let Some(file) = &self.redis_password_file {
            let password = password("--redis-password-file", file)?;
            for node in &mut place.nodes {
                let who = node.redis_settings().clone().set_password(password.as_str());
                *node = node.clone().set_redis_settings(who);
            }
        }
        let sentinels = Login {
            user: self.redis_sentinel_user.clone(),
            password: self
                .redis_sentinel_password_file
                .as_ref()
                .map(|file| password("--redis-sentinel-password-file", file))
                .transpose()?,
        };
        let authorities = self.redis_ca.as_ref().map(|file| read("--redis-ca", file)).transpose()?;
        let client = Client::new(place, sentinels, authorities);
        client.map(Some).map_err(|error| BadSetting::new(format!("--redis cannot be used: {error}")))
    }

    fn check(&self, place: &Target) -> Result<(), BadSetting> {
        let has_sentinels = matches!(place.setup, Setup::Sentinel { .. });
        let of_sentinels = [
            ("--redis-sentinel-user", self.redis_sentinel_user.is_some()),
            ("--redis-sentinel-password-file", self.redis_sentinel_password_file.is_some()),
        ];
        match of_sentinels.iter().find(|(_, is_set)| *is_set && !has_sentinels) {
            Some((flag, _)) => {
                Err(BadSetting::new(format!("{flag} is for an address that begins with redis+sentinel://")))
            }
            None if self.redis_sentinel_user.is_some() && self.redis_sentinel_password_file.is_none() => {
                Err(BadSetting::new("--redis-sentinel-user needs --redis-sentinel-password-file"))
            }
            None if self.redis_ca.is_some() && !place.is_tls() => {
                Err(BadSetting::new("--redis-ca is for an address that begins with rediss"))
            }
            None => Ok(()),
        }
    }
}

fn read(flag: &str, file: &PathBuf) -> Result<Vec<u8>, BadSetting> {
    std::fs::read(file).map_err(|error| BadSetting::new(format!("{flag} {}: {error}", file.display())))
}

/// The line that a file has.
fn password(flag: &str, file: &PathBuf) -> Result<String, BadSetting> {
    let text = String::from_utf8(read(flag, file)?);
    let text = text.map_err(|_| BadSetting::new(format!("{flag} {}: this is no text", file.display())))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use tempfile::NamedTempFile;

    use super::*;

    fn args(url: &str) -> RedisArgs {
        RedisArgs {
            redis: url.parse().unwrap(),
            redis_password_file: None,
            redis_sentinel_user: None,
            redis_sentinel_password_file: None,
            redis_ca: None,
        }
    }

    fn file(text: &str) -> (NamedTempFile, Option<PathBuf>) {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().to_owned();
        (file, Some(path))
    }

    #[test]
    fn a_password_of_a_file_is_its_line_and_is_not_shown() {
        let (_file, path) = file("pass word\n");
        for url in ["redis://joe@host", "redis+sentinel://joe@a,b/main", "redis+cluster://joe@a,b"] {
            let args = RedisArgs { redis_password_file: path.clone(), ..args(url) };
            let client = args.client().unwrap().unwrap();
            let nodes = client.place().nodes.iter().map(|node| node.redis_settings().clone());
            let who: Vec<_> =
                nodes.map(|who| (who.username().map(str::to_owned), who.password().map(str::to_owned))).collect();
            assert!(who.iter().all(|who| *who == (Some("joe".into()), Some("pass word".into()))), "{who:?}");
            assert!(!format!("{client:?} {args:?}").contains("pass word"));
        }
    }

    #[test]
    fn what_cannot_be_used_is_one_line() {
        let nowhere = || Some(PathBuf::from("/nowhere"));
        let said = |args: RedisArgs| args.client().unwrap_err().to_string();
        let absent = "No such file or directory (os error 2)";
        let password = RedisArgs { redis_password_file: nowhere(), ..args("redis://h") };
        assert_eq!(said(password), format!("--redis-password-file /nowhere: {absent}"));
        let of_sentinels = RedisArgs { redis_sentinel_password_file: nowhere(), ..args("redis+sentinel://h/main") };
        assert_eq!(said(of_sentinels.clone()), format!("--redis-sentinel-password-file /nowhere: {absent}"));
        let of_others = RedisArgs { redis: "redis+cluster://h".parse().unwrap(), ..of_sentinels };
        assert_eq!(
            said(of_others),
            "--redis-sentinel-password-file is for an address that begins with redis+sentinel://"
        );
        let alone = RedisArgs { redis_sentinel_user: Some("joe".into()), ..args("redis+sentinel://h/main") };
        assert_eq!(said(alone), "--redis-sentinel-user needs --redis-sentinel-password-file");
        let authority = RedisArgs { redis_ca: nowhere(), ..args("rediss://h") };
        assert_eq!(said(authority), format!("--redis-ca /nowhere: {absent}"));
        for url in ["redis://h", "redis+sentinel://h/main", "redis+cluster://h"] {
            let in_the_clear = RedisArgs { redis_ca: nowhere(), ..args(url) };
            assert_eq!(said(in_the_clear), "--redis-ca is for an address that begins with rediss");
        }
        assert!(args("none").client().unwrap().is_none());
    }
}
