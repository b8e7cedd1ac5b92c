//! API keys: the clients file, edited. What else stands in it, comments too, stays as it is.
//!
//! Only the sum of a key is kept; the key itself is known to who made it, once. Services read the file again when it changes.

use std::fs::{self, File};
use std::io::Write;
use std::num::NonZeroU32;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use forebay_service::BadSetting;
use forebay_service::auth::{Binding, Clients};
use serde::Serialize;
use sha2::{Digest, Sha256};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use crate::hex::hex;

/// So that a key is known for one where it stands by mistake.
const PREFIX: &str = "fby_";
/// How many digits of its sum a key is known by to people.
const SHOWN_DIGITS: usize = 8;

/// A clients file that is being edited; nobody else edits it meanwhile.
#[derive(Debug)]
pub struct ClientsFile {
    path: PathBuf,
    document: DocumentMut,
    _lock: File,
}

/// A new key, which nobody can be told again.
#[derive(Debug)]
pub struct NewKey(String);

/// A client, as the file lists it.
#[derive(Debug, Serialize)]
pub struct ListedClient {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub rights: Vec<String>,
    /// Its own rate limits.
    pub orders_per_s: Option<u64>,
    /// The like for questions.
    pub requests_per_s: Option<u64>,
    /// The tenant that it is bound to.
    pub tenant: Option<String>,
    /// What of that it is bound to, such as `customer=C1`.
    pub bound: Option<String>,
    /// The first eight digits of the sum of each of its keys, the newest last.
    pub keys: Vec<String>,
    /// The names of its certificates, and the first eight digits of the sums of them.
    pub certificates: Vec<String>,
}

/// A client's own rate limits, per second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Of orders that it sends.
    pub orders_per_s: Option<NonZeroU32>,
    /// Of questions that it asks.
    pub requests_per_s: Option<NonZeroU32>,
}

/// What a client is bound to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds<'a> {
    /// A tenant, where several share the system.
    pub tenant: Option<&'a str>,
    /// `customer`, or a view, and whose.
    pub to: Option<&'a (String, String)>,
}

/// Which keys of a client end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All: there is no such client any more.
    All,
    /// All but the newest.
    Old,
    /// That whose sum begins with these digits.
    One(String),
}

impl NewKey {
    fn random() -> Self {
        Self(format!("{PREFIX}{}", hex(&rand::random::<[u8; 32]>())))
    }

    fn sum(&self) -> String {
        hex(&Sha256::digest(&self.0))
    }

    /// The key, to be handed to its client.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl ClientsFile {
    /// Opens the file; one that is not there yet has no clients.
    ///
    /// # Errors
    /// Where it cannot be read, or is no clients file.
    pub fn open(path: &Path) -> Result<Self> {
        let path = fs::canonicalize(path).unwrap_or_else(|_absent| path.to_owned());
        let lock = File::open(folder(&path)).with_context(|| format!("cannot open {}", folder(&path).display()))?;
        lock.lock().with_context(|| format!("cannot lock {}", folder(&path).display()))?;
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("clients file {}", path.display()))?,
        };
        Clients::check(&text).map_err(|fault| BadSetting::new(format!("clients file {}: {fault}", path.display())))?;
        Ok(Self { document: text.parse()?, path, _lock: lock })
    }

    /// Opens a file that is there.
    ///
    /// # Errors
    /// [`BadSetting`] where it is not; as [`ClientsFile::open`].
    pub fn open_existing(path: &Path) -> Result<Self> {
        fs::metadata(path).map_err(|error| BadSetting::new(format!("clients file {}: {error}", path.display())))?;
        Self::open(path)
    }

    /// The clients, in the file's order.
    pub fn list(&self) -> Vec<ListedClient> {
        let clients = self.document.get("client").and_then(Item::as_array_of_tables);
        clients.into_iter().flatten().map(listed).collect()
    }

    /// Adds a client with a key, which may be bound.
    ///
    /// # Errors
    /// Where there is one of that name, or a right is not known.
    pub fn add(&mut self, name: &str, rights: &[String], limits: Limits, bounds: Bounds<'_>) -> Result<NewKey> {
        if self.client(name).is_ok() {
            bail!("there is a client {name:?} already: `rotate` gives it another key");
        }
        let key = NewKey::random();
        let mut client = Table::new();
        client["name"] = value(name);
        client["key_sha256"] = value(Array::from_iter([key.sum()]));
        client["rights"] = value(Array::from_iter(rights));
        for (name, limit) in [("orders_per_s", limits.orders_per_s), ("requests_per_s", limits.requests_per_s)] {
            if let Some(limit) = limit {
                client[name] = value(i64::from(limit.get()));
            }
        }
        if let Some(tenant) = bounds.tenant {
            client["tenant"] = value(tenant);
        }
        if let Some((name, whose)) = bounds.to {
            client[name] = value(whose);
        }
        let clients = self.document.entry("client").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
        clients.as_array_of_tables_mut().context("`client` is no list of tables: write [[client]]")?.push(client);
        Ok(key)
    }

    /// Gives a client one more key; those that it has go on.
    ///
    /// # Errors
    /// Where there is no such client.
    pub fn rotate(&mut self, name: &str) -> Result<NewKey> {
        let key = NewKey::random();
        let client = self.client(name)?;
        let mut sums = sums(client);
        sums.push(key.sum());
        client["key_sha256"] = value(Array::from_iter(sums));
        Ok(key)
    }

    /// Ends keys of a client, and gives how many those are.
    ///
    /// # Errors
    /// Where there is no such client or key, or the client would have none left: then the client itself is to go.
    pub fn revoke(&mut self, name: &str, which: &Which) -> Result<usize> {
        let client = self.client(name)?;
        let (all, has_certificate) = (sums(client), !certificates(client).is_empty());
        let kept: Vec<String> = match which {
            Which::All => Vec::new(),
            Which::Old => all.last().cloned().into_iter().collect(),
            Which::One(digits) => all.iter().filter(|sum| !sum.starts_with(&digits.to_lowercase())).cloned().collect(),
        };
        match (which, all.len() - kept.len()) {
            (Which::One(digits), 0) => bail!("client {name:?} has no key {digits:?}: `list` shows them"),
            (Which::One(digits), 2..) => bail!("client {name:?} has several keys that begin with {digits:?}"),
            (Which::One(_), _) if kept.is_empty() && !has_certificate => {
                bail!("it is the only key of client {name:?}: leave out --key to remove the client")
            }
            _ => {}
        }
        if kept.is_empty() && (*which == Which::All || !has_certificate) {
            self.remove(name);
        } else if kept.is_empty() {
            client.remove("key_sha256");
        } else {
            client["key_sha256"] = value(Array::from_iter(&kept));
        }
        Ok(all.len() - kept.len())
    }

    /// Puts the file in its place, as a whole: who reads it meanwhile has the old one or the new one.
    ///
    /// # Errors
    /// Where it cannot be written, or would be no clients file.
    pub fn save(self) -> Result<()> {
        let said = || format!("clients file {}", self.path.display());
        let text = self.document.to_string();
        Clients::check(&text).map_err(BadSetting::new)?;
        let mut file = tempfile::NamedTempFile::new_in(folder(&self.path)).with_context(said)?;
        file.write_all(text.as_bytes()).with_context(said)?;
        if let Ok(before) = fs::metadata(&self.path) {
            file.as_file().set_permissions(fs::Permissions::from_mode(before.mode())).with_context(said)?;
            chown(file.path(), Some(before.uid()), Some(before.gid())).with_context(said)?;
        }
        file.as_file().sync_all().with_context(said)?;
        file.persist(&self.path).with_context(said)?;
        Ok(())
    }

    fn client(&mut self, name: &str) -> Result<&mut Table> {
        let clients = self.document.get_mut("client").and_then(Item::as_array_of_tables_mut);
        let mut named = clients.into_iter().flat_map(ArrayOfTables::iter_mut).filter(|client| is_named(client, name));
        named.next().with_context(|| format!("there is no client {name:?}: `list` shows those that there are"))
    }

    fn remove(&mut self, name: &str) {
        if let Some(clients) = self.document.get_mut("client").and_then(Item::as_array_of_tables_mut) {
            clients.retain(|client| !is_named(client, name));
        }
    }
}

fn listed(client: &Table) -> ListedClient {
    let mut bound = client.iter().filter(|(name, _)| Binding::check_name(name).is_ok());
    let bound = bound.find_map(|(name, whose)| Some(format!("{name}={}", whose.as_str()?)));
    let rights = client.get("rights").and_then(Item::as_array);
    let limit = |name| client.get(name).and_then(Item::as_integer).and_then(|limit| limit.try_into().ok());
    ListedClient {
        name: client.get("name").and_then(Item::as_str).unwrap_or_default().to_owned(),
        rights: rights.into_iter().flatten().filter_map(|right| right.as_str().map(str::to_owned)).collect(),
        orders_per_s: limit("orders_per_s"),
        requests_per_s: limit("requests_per_s"),
        tenant: client.get("tenant").and_then(Item::as_str).map(str::to_owned),
        bound,
        keys: sums(client).into_iter().map(|sum| shortened(&sum)).collect(),
        certificates: certificates(client),
    }
}

/// The sums of a client's keys, in small letters.
fn sums(client: &Table) -> Vec<String> {
    texts(client, "key_sha256").map(str::to_lowercase).collect()
}

fn certificates(client: &Table) -> Vec<String> {
    let names = texts(client, "cert_san").map(str::to_owned);
    names.chain(texts(client, "cert_sha256").map(|sum| shortened(&sum.to_lowercase()))).collect()
}

/// One text, or a list of them.
fn texts<'a>(client: &'a Table, field: &str) -> impl Iterator<Item = &'a str> {
    let item = client.get(field);
    let several = item.and_then(Item::as_array).into_iter().flatten().filter_map(toml_edit::Value::as_str);
    item.and_then(Item::as_str).into_iter().chain(several)
}

fn shortened(sum: &str) -> String {
    sum.chars().take(SHOWN_DIGITS).collect()
}

fn is_named(client: &Table, name: &str) -> bool {
    client.get("name").and_then(Item::as_str) == Some(name)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
