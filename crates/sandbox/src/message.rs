//! What the server, the spawner and the cages say to each other, and its bytes. Both ends are always the same program, so
//! there are no versions; it refuses what it did not write itself.

use crate::spec::{Companion, File, Limits, Line, Link, Mount, Stem};
use crate::{Error, Fault};
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The server asks the spawner for a cage, and that hands it on as it came. With it come, in this order, the cage's end of
/// its channel, the write ends of standard output and error, that of each companion's output, that of the messages when
/// there are any, and for all but [`TemporaryRequest::Memory`] and `Directory` what becomes `/tmp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub origin: Origin,
    /// The host's user and group id of everything inside; None where there is only the server's own.
    pub host_id: Option<u32>,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
    pub directory: PathBuf,
    pub companions: Vec<Companion>,
    pub mounts: Vec<Mount>,
    pub links: Vec<Link>,
    pub files: Vec<File>,
    pub temporary: TemporaryRequest,
    pub limits: Limits,
    pub hostname: String,
    pub stem: Option<Stem>,
    pub listeners: Vec<SocketAddr>,
    pub messages: Option<OsString>,
}

/// The server tells a stem cell what it becomes. With it comes one detached mount for each target, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub targets: Vec<PathBuf>,
    pub environment: Vec<(OsString, OsString)>,
}

/// How the program comes about. It is the first that a request says, since the spawner reads it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// By `execve`.
    Executed,
    /// So too, and uncaged, to be copied. With it comes, last, the end of a socket where copies are asked for.
    Zygote,
    /// As a copy. With it comes, last, the other end.
    Copied,
}

impl Origin {
    /// What a request's bytes say, without the rest.
    pub fn of(request: &[u8]) -> Option<Self> {
        match request.first_chunk::<8>().map(|number| u64::from_le_bytes(*number))? {
            0 => Some(Self::Executed),
            1 => Some(Self::Zygote),
            2 => Some(Self::Copied),
            _ => None,
        }
    }
}

/// How `/tmp` comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemporaryRequest {
    /// A tmpfs of so many bytes.
    Memory { bytes: u64 },
    /// A copy of the file system image whose descriptor comes along, in which files can take so many bytes.
    Image { bytes: u64 },
    /// The detached mount whose descriptor comes along.
    Kept,
    /// Nothing to mount: `Isolation::Process`.
    Directory,
}

/// A cage tells the server how it fares.
#[derive(Debug)]
pub enum Report {
    /// The program runs. With it come a pidfd of the program, the detached `/tmp` when there is one, and the listeners.
    Started {
        /// Names the cage's cgroups, unique in a run.
        number: u64,
        has_temporary: bool,
    },
    /// The program of a stem cell waits for its assignment.
    Waiting,
    /// It has got it.
    Assigned,
    /// It could not be started.
    Failed(Error),
    /// The program has ended, by `exit` or by a signal.
    Exited { signalled: bool, number: i32 },
    /// So has the companion of this index in the request.
    CompanionExited { index: usize, signalled: bool, number: i32 },
    /// The socket that the server has asked for comes with it; without one, none could be made.
    Socket,
}

impl Request {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(1024));
        out.number(match self.origin {
            Origin::Executed => 0,
            Origin::Zygote => 1,
            Origin::Copied => 2,
        });
        out.number(self.host_id.map_or(0, |id| u64::from(id) + 1));
        out.path(&self.program);
        out.list(&self.arguments, |out, text| out.text(text));
        out.list(&self.environment, |out, (name, value)| {
            out.text(name);
            out.text(value);
        });
        out.path(&self.directory);
        out.list(&self.companions, |out, companion| {
            out.path(&companion.program);
            out.list(&companion.hidden, |out, name| out.text(name));
        });
        out.list(&self.mounts, |out, mount| {
            out.path(&mount.source);
            out.path(&mount.target);
        });
        out.list(&self.links, |out, link| {
            out.path(&link.target);
            out.path(&link.link);
        });
        out.list(&self.files, |out, file| {
            out.path(&file.path);
            out.bytes(&file.contents);
        });
        let (kind, bytes) = match self.temporary {
            TemporaryRequest::Memory { bytes } => (0, bytes),
            TemporaryRequest::Image { bytes } => (1, bytes),
            TemporaryRequest::Kept => (2, 0),
            TemporaryRequest::Directory => (3, 0),
        };
        out.number(kind);
        out.number(bytes);
        out.number(self.limits.memory_bytes);
        out.number(self.limits.cpu_millis_per_second.into());
        out.number(self.limits.processes_max.into());
        out.number(self.limits.file_descriptors_max);
        out.number(self.limits.cpu_weight.into());
        out.bytes(self.hostname.as_bytes());
        let stems: &[Stem] = self.stem.as_slice();
        out.list(stems, |out, stem| {
            out.text(&stem.variable);
            out.number(match stem.line {
                Line::Descriptor => 0,
                Line::Pipes { variables } => variables as u64 + 1,
            });
            out.list(&stem.places, |out, path| out.path(path));
            out.list(&stem.inner, |out, path| out.path(path));
            out.number(stem.room as u64);
        });
        out.list(&self.listeners, |out, address| out.bytes(address.to_string().as_bytes()));
        out.list(self.messages.as_slice(), |out, variable| out.text(variable));
        out.0
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        let origin = Origin::of(bytes).ok_or_else(malformed)?;
        let mut from = Reader(bytes);
        from.number()?;
        Ok(Self {
            origin,
            host_id: from.small()?.checked_sub(1),
            program: from.path()?,
            arguments: from.list(Reader::text)?,
            environment: from.list(|from| Ok((from.text()?, from.text()?)))?,
            directory: from.path()?,
            companions: from
                .list(|from| Ok(Companion { program: from.path()?, hidden: from.list(Reader::text)? }))?,
            mounts: from.list(|from| Ok(Mount { source: from.path()?, target: from.path()? }))?,
            links: from.list(|from| Ok(Link { target: from.path()?, link: from.path()? }))?,
            files: from.list(|from| Ok(File { path: from.path()?, contents: from.bytes()?.to_vec() }))?,
            temporary: match (from.number()?, from.number()?) {
                (0, bytes) => TemporaryRequest::Memory { bytes },
                (1, bytes) => TemporaryRequest::Image { bytes },
                (2, _) => TemporaryRequest::Kept,
                (3, _) => TemporaryRequest::Directory,
                _ => return Err(malformed()),
            },
            limits: Limits {
                memory_bytes: from.number()?,
                cpu_millis_per_second: from.small()?,
                processes_max: from.small()?,
                file_descriptors_max: from.number()?,
                cpu_weight: from.small()?,
            },
            hostname: String::from_utf8(from.bytes()?.to_vec()).map_err(|_| malformed())?,
            stem: from.list(Stem::read)?.pop(),
            listeners: from.list(|from| {
                std::str::from_utf8(from.bytes()?)
                    .ok()
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(malformed)
            })?,
            messages: from.list(Reader::text)?.pop(),
        })
    }
}

impl Stem {
    fn read(from: &mut Reader<'_>) -> io::Result<Self> {
        Ok(Self {
            variable: from.text()?,
            line: match from.small()? {
                0 => Line::Descriptor,
                more => Line::Pipes { variables: more as usize - 1 },
            },
            places: from.list(Reader::path)?,
            inner: from.list(Reader::path)?,
            room: from.small()? as usize,
        })
    }
}

impl Order {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(4096));
        out.list(&self.targets, |out, path| out.path(path));
        out.list(&self.environment, |out, (name, value)| {
            out.text(name);
            out.text(value);
        });
        out.0
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut from = Reader(bytes);
        Ok(Self {
            targets: from.list(Reader::path)?,
            environment: from.list(|from| Ok((from.text()?, from.text()?)))?,
        })
    }
}

impl Report {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(64));
        match self {
            Self::Started { number, has_temporary } => {
                out.number(0);
                out.number(*number);
                out.number(u64::from(*has_temporary));
            }
            Self::Failed(Error::Execute { program, source }) => {
                out.number(1);
                out.bytes(program.as_bytes());
                out.error(source);
            }
            Self::Failed(Error::Cage(fault)) => {
                out.number(2);
                out.bytes(fault.act.as_bytes());
                out.bytes(fault.object.as_bytes());
                out.error(&fault.source);
            }
            Self::CompanionExited { index, signalled, number } => {
                out.number(5);
                out.number(*index as u64);
                out.number(u64::from(*signalled));
                out.number((*number).cast_unsigned().into());
            }
            Self::Socket => out.number(6),
            Self::Waiting => out.number(7),
            Self::Assigned => out.number(8),
            // The spawner and the cages make no other errors.
            Self::Failed(_) => out.number(4),
            Self::Exited { signalled, number } => {
                out.number(3);
                out.number(u64::from(*signalled));
                out.number((*number).cast_unsigned().into());
            }
        }
        out.0
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> io::Result<Self> {
        let mut from = Reader(bytes);
        Ok(match from.number()? {
            0 => Self::Started { number: from.number()?, has_temporary: from.number()? == 1 },
            1 => Self::Failed(Error::Execute { program: from.string()?, source: from.error()? }),
            2 => Self::Failed(Error::Cage(Fault {
                act: from.string()?,
                object: from.string()?,
                source: from.error()?,
            })),
            3 => Self::Exited { signalled: from.number()? == 1, number: from.small()?.cast_signed() },
            5 => Self::CompanionExited {
                index: from.small()? as usize,
                signalled: from.number()? == 1,
                number: from.small()?.cast_signed(),
            },
            6 => Self::Socket,
            7 => Self::Waiting,
            8 => Self::Assigned,
            _ => return Err(malformed()),
        })
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a message of the spawner is malformed")
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &OsStr) {
        self.bytes(text.as_bytes());
    }

    fn path(&mut self, path: &std::path::Path) {
        self.text(path.as_os_str());
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        for item in items {
            write(self, item);
        }
    }

    fn error(&mut self, error: &io::Error) {
        self.number(error.raw_os_error().unwrap_or(0).cast_unsigned().into());
        self.bytes(error.to_string().as_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> io::Result<u64> {
        let (first, rest) = self.0.split_first_chunk::<8>().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*first))
    }

    fn small(&mut self) -> io::Result<u32> {
        u32::try_from(self.number()?).map_err(|_| malformed())
    }

    fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let length = usize::try_from(self.number()?).map_err(|_| malformed())?;
        let (first, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(first)
    }

    fn text(&mut self) -> io::Result<OsString> {
        Ok(OsString::from_vec(self.bytes()?.to_vec()))
    }

    fn string(&mut self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    fn path(&mut self) -> io::Result<PathBuf> {
        self.text().map(PathBuf::from)
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> io::Result<T>) -> io::Result<Vec<T>> {
        let length = usize::try_from(self.number()?).map_err(|_| malformed())?;
        // Every item takes eight bytes at the least, so the length cannot make us reserve more than came.
        if length > self.0.len() / 8 {
            return Err(malformed());
        }
        (0..length).map(|_| read(self)).collect()
    }

    fn error(&mut self) -> io::Result<io::Error> {
        let (code, text) = (self.small()?.cast_signed(), self.string()?);
        Ok(if code == 0 { io::Error::other(text) } else { io::Error::from_raw_os_error(code) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            origin: Origin::Copied,
            host_id: Some(u32::MAX - 1),
            program: "/bin/true".into(),
            arguments: vec!["a".into(), OsString::from_vec(vec![0xff, 0xfe])],
            environment: vec![("A".into(), "b=c".into())],
            directory: "/".into(),
            companions: vec![Companion { program: "/c".into(), hidden: vec!["A".into()] }],
            mounts: vec![Mount { source: "/usr".into(), target: "/opt".into() }],
            links: vec![Link { target: "x".into(), link: "/y".into() }],
            files: vec![File { path: "/etc/z".into(), contents: vec![0, 1, 2] }],
            temporary: TemporaryRequest::Memory { bytes: 9 },
            limits: Limits {
                memory_bytes: 1,
                cpu_millis_per_second: 2,
                processes_max: 3,
                file_descriptors_max: 4,
                cpu_weight: 5,
            },
            hostname: "h".into(),
            stem: Some(Stem {
                variable: "S".into(),
                line: Line::Pipes { variables: 7 },
                places: vec!["/var/task".into(), "/opt".into()],
                inner: vec!["lib".into()],
                room: 9,
            }),
            listeners: vec!["127.0.0.1:9001".parse().unwrap(), "[::1]:1".parse().unwrap()],
            messages: Some("M".into()),
        }
    }

    #[test]
    fn requests_read_back_as_written_and_torn_ones_are_refused() {
        let mut request = request();
        for (host_id, temporary) in [
            (None, TemporaryRequest::Image { bytes: 5 }),
            (Some(0), TemporaryRequest::Kept),
            (Some(9), TemporaryRequest::Directory),
            (Some(9), TemporaryRequest::Memory { bytes: u64::MAX }),
        ] {
            request.host_id = host_id;
            request.temporary = temporary;
            let bytes = request.encode();
            assert_eq!(Request::decode(&bytes).unwrap(), request);
            for cut in 0..bytes.len() {
                assert!(Request::decode(&bytes[..cut]).is_err(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn orders_read_back_as_written_and_torn_ones_are_refused() {
        let order = Order {
            targets: vec!["/var/task".into()],
            environment: vec![("A".into(), OsString::from_vec(vec![0xff, b'='])), ("B".into(), "".into())],
        };
        let bytes = order.encode();
        assert_eq!(Order::decode(&bytes).unwrap(), order);
        for cut in 0..bytes.len() {
            assert!(Order::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn reports_keep_the_kernels_error() {
        let fault = Fault {
            act: "mount".into(),
            object: "/x".into(),
            source: io::Error::from_raw_os_error(libc::EPERM),
        };
        let Report::Failed(Error::Cage(read)) =
            Report::decode(&Report::Failed(Error::Cage(fault)).encode()).unwrap()
        else {
            panic!("another report came back");
        };
        assert_eq!((read.act.as_str(), read.object.as_str()), ("mount", "/x"));
        assert_eq!(read.source.raw_os_error(), Some(libc::EPERM));
        let Report::Exited { signalled: true, number: 9 } =
            Report::decode(&Report::Exited { signalled: true, number: 9 }.encode()).unwrap()
        else {
            panic!("another report came back");
        };
    }
}
