//! What the sockets of database connections lack.
//!
//! The client library (sqlx 0.9.0) connects without `TCP_NODELAY` (its issue 4335, mended for the release after) and without
//! keepalive, and gives no access to its sockets. Without the first, the end of every COPY waits 40 ms for a delayed
//! acknowledgement; without the second, a peer that is cut off holds its connection for a quarter of an hour. So the sockets are
//! looked up among the descriptors of this process, by the peer's port, and set up through a duplicate: options belong to the
//! socket, not to the descriptor. Where that does not work, everything still does, more slowly.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use filedescriptor::FileDescriptor;
use rustix::net::sockopt;
use rustix::net::{SocketAddr, getpeername};

/// How long a connection may be silent before the kernel asks whether the peer is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(2);
const KEEPALIVE_COUNT: u32 = 3;
/// How long sent bytes may stay unacknowledged.
const UNACKNOWLEDGED_MAX_MS: u32 = 10_000;

/// Sets up the sockets of this process that are connected to a server on that port and are not set up yet.
pub(crate) async fn set_up_sockets(peer_port: u16) {
    // A process may have thousands of descriptors.
    let _ = tokio::task::spawn_blocking(move || {
        for number in descriptors() {
            set_up(number, peer_port);
        }
    })
    .await;
}

fn descriptors() -> Vec<RawFd> {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The descriptor may be closed meanwhile, and its number be given to something else: only what the duplicate says counts.
fn set_up(number: RawFd, peer_port: u16) {
    let Ok(duplicate) = FileDescriptor::dup(&Number(number)) else { return };
    let socket = duplicate.as_fd();
    let Ok(Some(peer)) = getpeername(socket) else { return };
    let Ok(peer) = SocketAddr::try_from(peer) else { return };
    if peer.port() != peer_port || sockopt::tcp_nodelay(socket) != Ok(false) {
        return;
    }
    let _ = sockopt::set_tcp_nodelay(socket, true);
    let _ = sockopt::set_socket_keepalive(socket, true);
    let _ = sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE);
    let _ = sockopt::set_tcp_keepintvl(socket, KEEPALIVE_EVERY);
    let _ = sockopt::set_tcp_keepcnt(socket, KEEPALIVE_COUNT);
    let _ = sockopt::set_tcp_user_timeout(socket, UNACKNOWLEDGED_MAX_MS);
}

struct Number(RawFd);

impl AsRawFd for Number {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}
