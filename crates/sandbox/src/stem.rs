//! A stem cell's time between its program's start and its assignment, as the first process sees it: it waits for the program to
//! be ready and for the server's order, puts the mounts in place, shows and hands over the environment.
//! It refuses a second order, and any mount that the server did not take from the host itself.

use crate::message::{Order, Report};
use crate::program::fault;
use crate::root::{Pipes, Places};
use crate::{Error, Fault, Line, Stem, root, socket};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// What a socket takes without anybody reading: the server refuses more.
pub const ENVIRONMENT_BYTES_MAX: usize = 64 * 1024;
/// Where `/proc/<process>/stat` has the bounds of the environment, counted from the field after the program's name.
const ENVIRONMENT_FIELD: usize = 47;
/// And where its stack began.
const STACK_FIELD: usize = 25;
/// Bytes of a pointer: of the programs that there are, all are of the kernel's kind.
const WORD: u64 = 8;

/// What the first process of a stem cell keeps for its assignment.
pub struct Waiting {
    /// The other end is the program's.
    pub line: OwnedFd,
    /// By what the program hears, unless by the line.
    pub order: Option<OwnedFd>,
    /// The cage's root, still writable for us.
    pub root: OwnedFd,
    /// A writable `/proc`.
    pub proc: OwnedFd,
    /// The program's process.
    pub program: i32,
    /// In which it started.
    pub directory: PathBuf,
    pub stem: Stem,
    /// Whether the program waits already, as the copy of one that does.
    pub is_ready: bool,
}

/// What woke the first process.
pub enum Woken {
    /// The program is ready.
    Ready,
    /// The server, by an order or by letting go.
    Asked,
    /// A signal: a child has ended.
    Signalled,
    /// The spawner has gone.
    Orphaned,
}

impl Waiting {
    /// Waits for something to do. Once the program is ready, or gone, its line says nothing more.
    pub fn wait(
        &self,
        [channel, signals, cradle]: [&OwnedFd; 3],
        is_ready: bool,
    ) -> Result<Vec<Woken>, io::Error> {
        let mut waited = vec![
            PollFd::new(channel, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
            PollFd::new(cradle, PollFlags::IN),
        ];
        if !is_ready {
            waited.push(PollFd::new(&self.line, PollFlags::IN));
        }
        match rustix::event::poll(&mut waited, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let kinds = [Woken::Asked, Woken::Signalled, Woken::Orphaned, Woken::Ready];
        let woken = waited.iter().zip(kinds).filter(|(fd, _)| !fd.revents().is_empty());
        Ok(woken.map(|(_, kind)| kind).collect())
    }

    /// Whether the program has said that it waits; false when it has ended or said something else.
    pub fn heard(&self) -> bool {
        let mut byte = [0; 1];
        matches!(rustix::io::retry_on_intr(|| rustix::io::read(&self.line, &mut byte)), Ok(1))
    }

    /// Takes the order from the channel and carries it out, but for [`Waiting::hand_over`], for which it gives the environment.
    /// None when the server has let go of the cell.
    pub fn obey(&self, channel: &OwnedFd) -> Option<Result<Vec<u8>, Error>> {
        let mut bytes = vec![0; socket::MESSAGE_BYTES_MAX];
        match socket::receive(channel, &mut bytes, false) {
            Ok((0, _)) | Err(_) => None,
            Ok((length, mounts)) => Some(
                Order::decode(&bytes[..length])
                    .map_err(|error| Fault::at("read", "an assignment")(error).into())
                    .and_then(|order| self.assign(&order, mounts).map_err(Error::Cage)),
            ),
        }
    }

    fn assign(&self, order: &Order, mounts: Vec<OwnedFd>) -> Result<Vec<u8>, Fault> {
        let malformed = || Fault::at("read", "an assignment")(io::ErrorKind::InvalidData.into());
        if mounts.len() != order.targets.len()
            || !order.targets.iter().all(|target| self.stem.places.contains(target))
        {
            return Err(malformed());
        }
        let is_outside = self.stem.is_changed_from_outside();
        if is_outside && !order.targets.contains(&self.directory) {
            return Err(malformed());
        }
        for (tree, target) in mounts.iter().zip(&order.targets) {
            if is_outside && *target == self.directory {
                root::replace(tree, target)?;
            } else {
                root::attach(tree, target)?;
            }
        }
        let unused = self.stem.places.iter().filter(|place| !order.targets.contains(place));
        unused.into_iter().try_for_each(|place| root::remove_place(&self.root, place, &self.stem.inner))?;
        let block = environment_block(&order.environment);
        self.show(&block)?;
        Ok(block)
    }

    /// Hands the environment over: with it, and not before, the program goes on.
    pub fn hand_over(&self, block: &[u8]) -> Result<(), Fault> {
        if let Some(order) = &self.order {
            // It has its environment already.
            rustix::io::write(order, b"g").map_err(fault("tell", "the program"))?;
            return Ok(());
        }
        // The socket has room for all of it: nothing that the program does can hold us up.
        let mut line = File::from(self.line.try_clone().map_err(Fault::at("copy", "the program's line"))?);
        line.write_all(block).map_err(Fault::at("hand over", "the environment"))?;
        rustix::net::shutdown(&self.line, rustix::net::Shutdown::Both)
            .map_err(fault("close", "the program's line"))
    }

    /// Writes the environment where the kernel reads it for `/proc/<process>/environ`: the program itself has cleared its own,
    /// and uses that memory no more. Or it has not looked at it yet: then it is written for the program itself, with the table that
    /// the C library's `environ` points to.
    fn show(&self, block: &[u8]) -> Result<(), Fault> {
        let open = |name: String, flags| {
            rustix::fs::openat(&self.proc, &name, flags | OFlags::CLOEXEC, Mode::empty())
                .map(File::from)
                .map_err(|errno| Fault::at("open /proc's", &name)(errno.into()))
        };
        let mut stat = String::new();
        open(format!("{}/stat", self.program), OFlags::RDONLY)?
            .read_to_string(&mut stat)
            .map_err(Fault::at("read /proc's", "stat"))?;
        let malformed = || Fault::at("find", "the program's environment")(io::ErrorKind::InvalidData.into());
        let (start, end) = environment_bounds(&stat).ok_or_else(malformed)?;
        let room = usize::try_from(end - start).map_err(|_| malformed())?;
        if block.len() > room {
            return Err(Fault::at("show", "the environment")(io::ErrorKind::StorageFull.into()));
        }
        let mut shown = block.to_vec();
        shown.resize(room, 0);
        let memory = open(format!("{}/mem", self.program), OFlags::RDWR)?;
        memory.write_all_at(&shown, start).map_err(Fault::at("show", "the environment"))?;
        let table = match self.stem.line {
            Line::Descriptor => Ok(()),
            Line::Pipes { variables } => {
                number_at(&stat, STACK_FIELD).ok_or(io::ErrorKind::InvalidData.into()).and_then(|stack| {
                    Table::find(&memory, stack, start, variables)?.point(&memory, block, start)
                })
            }
        };
        table.map_err(Fault::at("place", "the environment"))
    }
}

/// The kernel's table of the variables of a process.
struct Table {
    address: u64,
    variables: usize,
}

impl Table {
    /// Where the stack began there are the number of arguments, a pointer to each, none, and the table.
    fn find(memory: &File, stack: u64, environment: u64, variables: usize) -> io::Result<Self> {
        let arguments = word_at(memory, stack)?;
        let address = arguments.checked_add(2).and_then(|words| words.checked_mul(WORD)?.checked_add(stack));
        let address = address.ok_or(io::ErrorKind::InvalidData)?;
        // Rather not at all than somewhere else.
        if word_at(memory, address)? != environment {
            return Err(io::Error::other("it is not where the kernel puts it"));
        }
        Ok(Self { address, variables })
    }

    /// Lets it point to the variables of a block.
    fn point(&self, memory: &File, block: &[u8], start: u64) -> io::Result<()> {
        let ends = block.iter().zip(1_u64..).filter(|(byte, _)| **byte == 0).map(|(_, end)| start + end);
        let mut words: Vec<u64> = [start].into_iter().chain(ends).collect();
        // The last end begins nothing, and the table ends with no pointer.
        if words.len() > self.variables + 1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if let Some(last) = words.last_mut() {
            *last = 0;
        }
        let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_ne_bytes).collect();
        memory.write_all_at(&bytes, self.address)
    }
}

fn word_at(memory: &File, address: u64) -> io::Result<u64> {
    let mut word = [0; WORD as usize];
    memory.read_exact_at(&mut word, address)?;
    Ok(u64::from_ne_bytes(word))
}

/// What we keep of a line, and the root.
pub struct Ends {
    pub root: OwnedFd,
    pub line: OwnedFd,
    pub order: Option<OwnedFd>,
}

/// Our ends of the line, and the one that the program inherits, if any.
pub fn draw_line(places: Places) -> Result<(Ends, Option<OwnedFd>), Fault> {
    let root = places.root;
    if let Some(Pipes { ready, order }) = places.pipes {
        return Ok((Ends { root, line: ready, order: Some(order) }, None));
    }
    let (line, theirs) = socket::stream().map_err(Fault::at("make", "a line"))?;
    Ok((Ends { root, line, order: None }, Some(theirs)))
}

/// Tells the server how the cell fares; false when nobody listens.
pub fn report(channel: &OwnedFd, report: &Report) -> bool {
    socket::send(channel, &report.encode(), &[], true).is_ok()
}

/// As the kernel keeps an environment.
pub fn environment_block(environment: &[(OsString, OsString)]) -> Vec<u8> {
    let mut block = Vec::with_capacity(4096);
    for (name, value) in environment {
        block.extend_from_slice(name.as_bytes());
        block.push(b'=');
        block.extend_from_slice(value.as_bytes());
        block.push(0);
    }
    block
}

/// The first byte of the environment and the one after its last.
fn environment_bounds(stat: &str) -> Option<(u64, u64)> {
    let (start, end) = (number_at(stat, ENVIRONMENT_FIELD)?, number_at(stat, ENVIRONMENT_FIELD + 1)?);
    (0 < start && start < end).then_some((start, end))
}

fn number_at(stat: &str, field: usize) -> Option<u64> {
    // A program's name may hold anything, closing brackets too.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(field)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_where_our_own_environment_is() {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let (start, end) = environment_bounds(&stat).unwrap();
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        File::open("/proc/self/mem").unwrap().read_exact_at(&mut bytes, start).unwrap();
        assert_eq!(bytes, std::fs::read("/proc/self/environ").unwrap());
        assert_eq!(environment_bounds("1 (a) b) S 1 2 3"), None);
    }

    #[test]
    fn a_block_is_what_the_kernel_would_have_made() {
        assert_eq!(environment_block(&[("A".into(), "b=c".into()), ("D".into(), "".into())]), b"A=b=c\0D=\0");
    }
}
