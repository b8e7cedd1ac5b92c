//! How a connection shows who it is, and whom it trusts.

use std::fs;
use std::path::{Path, PathBuf};

use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use crate::error::LogError;

/// Files by which a connection to NATS is made safe: flags of everything that uses a log. User and password, or a token, stand in the
/// address.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct NatsSecurity {
    /// Who it is to NATS: a credentials file (`.creds`), or one with the seed of an nkey; read when it starts
    #[arg(long, env = "FOREBAY_NATS_CREDS", value_name = "FILE")]
    pub nats_creds: Option<PathBuf>,

    /// Certificates of the authorities of NATS, as PEM, in place of the system's: nothing is sent but by TLS
    #[arg(long, env = "FOREBAY_NATS_CA", value_name = "FILE")]
    pub nats_ca: Option<PathBuf>,

    /// Certificate that is shown to NATS, as PEM
    #[arg(long, env = "FOREBAY_NATS_CERT", value_name = "FILE", requires = "nats_key")]
    pub nats_cert: Option<PathBuf>,

    /// Private key of that certificate, as PEM
    #[arg(long, env = "FOREBAY_NATS_KEY", value_name = "FILE", requires = "nats_cert")]
    pub nats_key: Option<PathBuf>,
}

impl NatsSecurity {
    /// Whether the files can be read.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let Self { nats_creds, nats_ca, nats_cert, nats_key } = self;
        if let Some(creds) = nats_creds {
            with_credentials(ConnectOptions::new(), creds)?;
        }
        [nats_ca, nats_cert, nats_key].into_iter().flatten().try_for_each(|file| read(file).map(drop))
    }

    /// Options with who it is, and whom it trusts. Where one address is `tls://`, or a file says so, all servers have to speak TLS, also those
    /// that are learnt of later.
    pub(crate) fn apply(
        &self,
        mut options: ConnectOptions,
        addresses: &[ServerAddr],
    ) -> Result<ConnectOptions, LogError> {
        let named = addresses.iter().find_map(|address| Some((address.username()?, address.password())));
        options = match named {
            None => options,
            Some((user, Some(password))) => options.user_and_password(decoded(user), decoded(password)),
            Some((token, None)) => options.token(decoded(token)),
        };
        if let Some(creds) = &self.nats_creds {
            options = with_credentials(options, creds)?;
        }
        if let Some(ca) = &self.nats_ca {
            options = options.add_root_certificates(ca.clone());
        }
        if let (Some(cert), Some(key)) = (&self.nats_cert, &self.nats_key) {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        let is_tls =
            self.nats_ca.is_some() || self.nats_cert.is_some() || addresses.iter().any(ServerAddr::tls_required);
        Ok(options.require_tls(is_tls))
    }
}

fn with_credentials(options: ConnectOptions, file: &Path) -> Result<ConnectOptions, LogError> {
    let unfit = |reason: &str| LogError::File { file: file.to_owned(), reason: reason.to_owned() };
    let text = read(file)?;
    if text.contains("BEGIN NATS USER JWT") {
        // What the client says of a file may quote it.
        return options.credentials(&text).map_err(|_| unfit("there is no user's token and seed in it"));
    }
    let seed = text.lines().map(str::trim).find(|line| line.starts_with("SU"));
    seed.map(|seed| options.nkey(seed.to_owned())).ok_or_else(|| unfit("there are no credentials and no seed in it"))
}

fn read(file: &Path) -> Result<String, LogError> {
    fs::read_to_string(file).map_err(|error| LogError::File { file: file.to_owned(), reason: error.to_string() })
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "SUACH75SWCM5D2JMJM6EKLR2WDARVGZT4QC6LX3AGHSWOMVAKERABBBRWM";

    fn said(text: &str) -> Result<(), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let security = NatsSecurity { nats_creds: Some(file.path().to_owned()), ..NatsSecurity::default() };
        security.check().map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_of_credentials_is_a_seed_or_a_token_with_one_and_what_else_is_in_it_is_not_told() {
        let creds = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.eyJq.c2ln\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
        );
        for good in [format!("{SEED}\n"), creds.clone()] {
            assert_eq!(said(&good), Ok(()));
        }
        for bad in ["", "secret", &creds.replace(SEED, "SUSECRET"), &creds.replace("eyJ0.eyJq.c2ln\n", "")] {
            let fault = said(bad).unwrap_err();
            assert!(fault.starts_with("the file /") && !fault.to_lowercase().contains("secret"), "{fault}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_told() {
        let nowhere = || Some(PathBuf::from("/nowhere"));
        for security in [
            NatsSecurity { nats_creds: nowhere(), ..NatsSecurity::default() },
            NatsSecurity { nats_ca: nowhere(), ..NatsSecurity::default() },
            NatsSecurity { nats_key: nowhere(), ..NatsSecurity::default() },
        ] {
            let fault = security.check().unwrap_err().to_string();
            assert_eq!(fault, "the file /nowhere: No such file or directory (os error 2)");
        }
    }
}
