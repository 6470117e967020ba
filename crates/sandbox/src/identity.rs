//! Who the processes in a cage are: inside always the same user, on the host one of their own.
//! It refuses to share a host id between two living cages of this machine.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::{Arc, Mutex, PoisonError};

/// The user id that a program sees as its own.
// AWS: functions run as `sbx_user1051` with these ids.
pub const INSIDE_UID: u32 = 993;
/// The group id that a program sees as its own.
pub const INSIDE_GID: u32 = 990;
/// Its name.
pub const INSIDE_NAME: &str = "sbx_user1051";

/// The first of the host ids that cages may have: above those that systemd gives to containers (up to 1,879,048,191) and
/// below the foreign ids (from 2,147,352,576), <https://systemd.io/UIDS-GIDS/>.
const FIRST: u32 = 1_900_000_000;
/// Host ids of one server, and so the most cages that it has at once.
const BLOCK: u32 = 4_096;
/// How many servers there can be on a machine.
const BLOCKS: u32 = 48_000;

/// The host ids of one server.
#[derive(Debug)]
pub struct Identities {
    first: u32,
    free: Mutex<Vec<u32>>,
    /// An abstract socket's name is the machine-wide lock on the block; it goes with the process, however that ends.
    _lock: Option<UnixListener>,
}

/// A host id in use; free again when dropped.
#[derive(Debug)]
pub struct Identity {
    of: Arc<Identities>,
    pub id: u32,
}

impl Identities {
    /// Takes a block that no other server has; None when the ids of our user namespace do not reach so far, or all
    /// blocks are taken.
    pub fn take() -> Option<Arc<Self>> {
        let extents = extents(&fs::read_to_string("/proc/self/uid_map").ok()?);
        let groups = extents_of_groups()?;
        let fits = |first: u32| {
            let inside = |extents: &[(u32, u32)]| {
                extents.iter().any(|(start, length)| {
                    *start <= first && first.saturating_add(BLOCK) <= start.saturating_add(*length)
                })
            };
            inside(&extents) && inside(&groups)
        };
        let start = std::process::id() % BLOCKS;
        (0..BLOCKS).map(|step| (start + step) % BLOCKS).find_map(|block| {
            let first = FIRST + block * BLOCK;
            if !fits(first) {
                return None;
            }
            let name = SocketAddr::from_abstract_name(format!("hearth-ids-{first}")).ok()?;
            let lock = UnixListener::bind_addr(&name).ok()?;
            // The lowest is handed out first.
            let free = Mutex::new((0..BLOCK).rev().collect());
            Some(Arc::new(Self { first, free, _lock: Some(lock) }))
        })
    }

    /// An id that no living cage has; None when there are as many cages as can be.
    pub fn next(self: &Arc<Self>) -> Option<Identity> {
        let index = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Identity { of: self.clone(), id: self.first + index })
    }

    /// How many cages there can be.
    pub const fn most() -> usize {
        BLOCK as usize
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.of.free.lock().unwrap_or_else(PoisonError::into_inner).push(self.id - self.of.first);
    }
}

fn extents_of_groups() -> Option<Vec<(u32, u32)>> {
    Some(extents(&fs::read_to_string("/proc/self/gid_map").ok()?))
}

/// The first id and the number of ids of each line of a map.
fn extents(map: &str) -> Vec<(u32, u32)> {
    map.lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace().map(str::parse);
            let first = fields.next()?.ok()?;
            let length = fields.nth(1)?.ok()?;
            Some((first, length))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_apart_and_come_back() {
        assert_eq!(extents("         0          0 4294967295\n"), vec![(0, u32::MAX)]);
        assert_eq!(extents("0 1000 1\n1 100000 65536\n"), vec![(0, 1), (1, 65536)]);
        let Some(identities) = Identities::take() else {
            println!("not run: this user namespace has no ids to give");
            return;
        };
        let other = Identities::take().unwrap();
        assert!(identities.first.abs_diff(other.first) >= BLOCK);
        let one = identities.next().unwrap();
        let two = identities.next().unwrap();
        assert_ne!(one.id, two.id);
        let id = one.id;
        drop(one);
        assert_eq!(identities.next().unwrap().id, id);
        let all: Vec<_> = std::iter::from_fn(|| identities.next()).collect();
        assert_eq!(all.len(), Identities::most() - 1);
        drop(two);
    }
}
