//! The directory that servers live in: its lock, its place, and what a killed run has left in it.
//!
//! ```text
//! DIR/lock        held by the process that runs the servers; holds its id
//! DIR/logs/       one file per process
//! DIR/servers/    the servers' data; a symbolic link where DIR is closed to the servers' user
//! ```

use std::fs::{File, Permissions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::account::{Account, effective_uid, open_to_others, owned_by_me};
use crate::process::family::kill_leftovers;

/// Holds the data of servers that root started from a directory that is closed to others, such as a clone in `/root`.
const OPEN_PLACE: &str = "/var/lib/forebay";
const TEMPORARY_PREFIX: &str = "forebay-test-";

/// A directory that belongs to this process, until this value is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    servers: PathBuf,
    account: Option<Account>,
    temporary: bool,
    /// The kernel lets go of the lock when the process is gone, so a killed owner never blocks the next.
    _lock: File,
}

impl Home {
    /// Takes the directory, makes it where there is none, and puts away what a killed run has left running.
    ///
    /// # Errors
    /// When another process holds it, or it cannot be made.
    pub fn open(dir: &Path) -> Result<Self> {
        make_dir(dir)?;
        let dir = dir.canonicalize().with_context(|| format!("cannot use {}", dir.display()))?;
        let lock = take_lock(&dir)?;
        Self::settle(dir, lock, false)
    }

    /// Makes a new directory that goes when this value goes, after putting away those of killed runs.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn temporary() -> Result<Self> {
        let place = temporary_place();
        remove_abandoned(&place);
        // It gets the name by which others look for abandoned ones only once it is locked.
        let made = tempfile::Builder::new().prefix("forebay-starting-").tempdir_in(&place);
        let made = made.with_context(|| format!("cannot make a directory in {}", place.display()))?.keep();
        make_dir(&made)?;
        let lock = take_lock(&made)?;
        let name =
            made.file_name().unwrap_or_default().to_string_lossy().replace("forebay-starting-", TEMPORARY_PREFIX);
        let dir = place.join(name);
        std::fs::rename(&made, &dir).with_context(|| format!("cannot rename {}", made.display()))?;
        Self::settle(dir, lock, true)
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the servers' data is: inside the directory, or elsewhere if that is closed to the servers' user.
    pub fn servers(&self) -> &Path {
        &self.servers
    }

    /// The user that servers run as, if not this process's.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    /// Whether the directory goes when this value goes.
    pub(crate) fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// The log file of a process.
    pub fn log(&self, name: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{name}.log"))
    }

    /// A server's own directory, made where there is none, and owned by the servers' user.
    pub(crate) fn server_dir(&self, name: &str) -> Result<PathBuf> {
        let dir = self.servers.join(name);
        if !dir.is_dir() {
            std::fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
            std::fs::set_permissions(&dir, Permissions::from_mode(0o700))
                .with_context(|| format!("cannot set the mode of {}", dir.display()))?;
        }
        self.give(&dir)?;
        Ok(dir)
    }

    /// Makes the servers' user the owner of a directory and all that is in it, if it is not already.
    fn give(&self, dir: &Path) -> Result<()> {
        let Some(account) = &self.account else { return Ok(()) };
        let owner = std::fs::symlink_metadata(dir).with_context(|| format!("cannot read {}", dir.display()))?.uid();
        if owner == account.uid() { Ok(()) } else { own_all(account, dir) }
    }

    /// A program that the servers' user can start: a copy where the program itself is closed to that user.
    pub(crate) fn reachable_program(&self, program: &Path) -> Result<PathBuf> {
        if self.account.is_none() || open_to_others(program) {
            return Ok(program.to_owned());
        }
        let copy = self.servers.join(program.file_name().context("a program has a name")?);
        let fresh = copy.with_extension("new");
        // Another process does the writing: a program that is open for writing cannot be started, and while this
        // process has it open, so has every child that one of its threads is just starting.
        let copied = Command::new("cp").arg("--").arg(program).arg(&fresh).status();
        let is_copied = copied.is_ok_and(|status| status.success());
        ensure!(is_copied, "cannot copy {} to {}", program.display(), fresh.display());
        std::fs::set_permissions(&fresh, Permissions::from_mode(0o755))
            .and_then(|()| std::fs::rename(&fresh, &copy))
            .with_context(|| format!("cannot make {}", copy.display()))?;
        Ok(copy)
    }

    fn settle(dir: PathBuf, lock: File, temporary: bool) -> Result<Self> {
        let account = Account::unprivileged()?;
        make_dir(&dir.join("logs"))?;
        let servers = place_servers(&dir, account.as_ref())?;
        kill_leftovers(&servers);
        Ok(Self { dir, servers, account, temporary, _lock: lock })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.temporary {
            kill_leftovers(&self.servers);
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// The id of the process that runs servers in the directory, if one does.
pub fn owner(dir: &Path) -> Option<u32> {
    let mut lock = File::open(dir.join("lock")).ok()?;
    match lock.try_lock_shared() {
        Err(TryLockError::WouldBlock) => read_pid(&mut lock),
        _ => None,
    }
}

/// Whether a directory has files, and no servers ever lived there: they are somebody else's.
pub fn is_of_others(dir: &Path) -> bool {
    let has_files = dir.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    has_files && !dir.join("lock").exists()
}

/// Makes a directory one of those in which servers live, before anything else is written there.
///
/// # Errors
/// When it cannot be made.
pub fn claim(dir: &Path) -> Result<()> {
    make_dir(dir)?;
    open_lock(dir).map(drop)
}

/// How many Postgres servers have data in the directory.
pub fn postgres_found(dir: &Path) -> usize {
    let has_data = |shard: &usize| dir.join("servers").join(format!("postgres-{shard}")).is_dir();
    (0..usize::from(u16::MAX)).take_while(has_data).count()
}

/// Deletes the servers' data and logs.
///
/// # Errors
/// When the servers run, or something cannot be deleted.
pub fn wipe(dir: &Path) -> Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    let _lock = take_lock(dir)?;
    let servers = dir.join("servers");
    if let Ok(data) = servers.canonicalize() {
        kill_leftovers(&data);
        remove(&data)?;
    }
    remove(&servers)?;
    remove(&dir.join("logs"))
}

fn remove(path: &Path) -> Result<()> {
    let outcome = match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => Ok(()),
    };
    outcome.with_context(|| format!("cannot delete {}", path.display()))
}

/// Makes a directory that others may pass through, whatever the umask.
fn make_dir(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the directory {}", dir.display()))?;
    if owned_by_me(dir) {
        std::fs::set_permissions(dir, Permissions::from_mode(0o755))
            .with_context(|| format!("cannot set the mode of {}", dir.display()))?;
    }
    Ok(())
}

fn open_lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.open(&path).with_context(|| format!("cannot open {}", path.display()))
}

fn take_lock(dir: &Path) -> Result<File> {
    let (path, mut file) = (dir.join("lock"), open_lock(dir)?);
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = read_pid(&mut file).map(|pid| format!(" (process {pid})")).unwrap_or_default();
            bail!("{} is in use by another running Forebay{pid}", dir.display());
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file)
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// `DIR/servers`, or where it leads.
fn place_servers(dir: &Path, account: Option<&Account>) -> Result<PathBuf> {
    let servers = dir.join("servers");
    if let Ok(place) = servers.canonicalize() {
        return match account {
            Some(account) if !open_to_others(&place) => bail!(
                "the servers' data in {} cannot be reached by the user {}, as whom servers run when root starts them: \
                 start them as the user who made the data, or delete it",
                place.display(),
                account.name()
            ),
            _ => Ok(place),
        };
    }
    // A link whose target is gone has nothing to lose.
    remove(&servers)?;
    if account.is_none() || open_to_others(dir) {
        make_dir(&servers)?;
        return Ok(servers);
    }
    let place = Path::new(OPEN_PLACE);
    make_dir(place)?;
    let made = tempfile::Builder::new().prefix("servers-").tempdir_in(place);
    let made = made.with_context(|| format!("cannot make a directory in {OPEN_PLACE}"))?.keep();
    make_dir(&made)?;
    std::os::unix::fs::symlink(&made, &servers).with_context(|| format!("cannot make {}", servers.display()))?;
    Ok(made)
}

fn own_all(account: &Account, path: &Path) -> Result<()> {
    let meta = std::fs::symlink_metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if meta.is_symlink() {
        return Ok(());
    }
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
            own_all(account, &entry?.path())?;
        }
    }
    // The directory itself comes last: a change of owner that is cut short is taken up again by the next start.
    account.own(path)
}

fn temporary_place() -> PathBuf {
    let usual = std::env::temp_dir();
    if effective_uid() != 0 || open_to_others(&usual) { usual } else { PathBuf::from("/var/tmp") }
}

/// Removes temporary directories whose owner is gone, with the servers that still run in them.
fn remove_abandoned(place: &Path) {
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let dir = entry.path();
        let named = entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX);
        if !named || !owned_by_me(&dir) || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        // Without a lock file, somebody else is just removing it.
        let Ok(lock) = File::open(dir.join("lock")) else { continue };
        if lock.try_lock().is_ok() {
            kill_leftovers(&dir);
            let _ = std::fs::remove_dir_all(&dir);
        }
    }
}
