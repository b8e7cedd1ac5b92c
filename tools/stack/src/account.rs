//! The unprivileged user that servers run as when Forebay is started by root.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use anyhow::{Context, Result};

/// A user that a server runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// The user to switch to: `postgres`, else `nobody`, when this process is root; nobody else can or need switch.
    ///
    /// # Errors
    /// When root has neither of the two users.
    pub fn unprivileged() -> Result<Option<Self>> {
        if effective_uid() != 0 {
            return Ok(None);
        }
        let users = std::fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let account = find(&users, "postgres").or_else(|| find(&users, "nobody"));
        account.map(Some).context("servers do not run as root, and there is neither a user `postgres` nor `nobody`")
    }

    /// The user's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The user's number.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The number of the user's group.
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// Makes the user the owner of a file or directory.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
            .with_context(|| format!("cannot give {} to the user {}", path.display(), self.name))
    }
}

/// The user that this process acts as.
pub(crate) fn effective_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether users other than the owner can get to `path`: they need the search bit of every directory on the way.
pub(crate) fn open_to_others(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    path.ancestors()
        .all(|step| std::fs::metadata(step).is_ok_and(|meta| !meta.is_dir() || meta.permissions().mode() & 0o001 != 0))
}

/// Whether this process's user owns `path` itself (a symbolic link is not followed).
pub(crate) fn owned_by_me(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.uid() == effective_uid())
}

fn find(users: &str, name: &str) -> Option<Account> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { name: name.to_owned(), uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/bash\npostgres2:x:9:9::/:\npostgres:x:101:104::/var:/bin/bash\n";
        let found = find(users, "postgres").expect("is there");
        assert_eq!((found.uid(), found.gid(), found.name()), (101, 104, "postgres"));
        assert_eq!(find(users, "nobody"), None);
    }

    #[test]
    fn a_closed_directory_on_the_way_closes_what_is_below() {
        let outer = tempfile::tempdir().expect("tempdir");
        let inner = outer.path().join("inner");
        std::fs::create_dir(&inner).expect("mkdir");
        std::fs::set_permissions(&inner, PermissionsExt::from_mode(0o755)).expect("chmod");
        std::fs::set_permissions(outer.path(), PermissionsExt::from_mode(0o700)).expect("chmod");
        assert!(!open_to_others(&inner));
        std::fs::set_permissions(outer.path(), PermissionsExt::from_mode(0o755)).expect("chmod");
        assert!(open_to_others(&inner));
    }
}
