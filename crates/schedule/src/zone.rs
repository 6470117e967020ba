//! Time zones by their IANA names, as the machine knows them: the files of `/usr/share/zoneinfo` (RFC 9636), with the rule
//! at their end for all later years.
//!
//! UTC is known without a file. It refuses to follow a name out of that directory, and to guess at a zone that the
//! machine has no file for.

use crate::posix::Rule;
use std::fmt;
use std::io::Read;
use std::path::Path;

/// Where machines keep their time zones.
const DIRECTORY: &str = "/usr/share/zoneinfo";
/// Characters of a zone's name.
const NAME_LENGTH_MAX: usize = 50;
/// Bytes of a file. The largest is a twentieth of it.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Zones that need no file.
const UTC: [&str; 6] = ["UTC", "Etc/UTC", "GMT", "Etc/GMT", "Etc/UCT", "Zulu"];
/// What lies beside the zones and is none: the machine's own, and zones that count leap seconds.
const NO_ZONES: [&str; 5] = ["localtime", "posixrules", "Factory", "posix/", "right/"];
/// Offsets from UTC are less than this, and so are the hours that a change of them skips or repeats.
const NEIGHBOURHOOD_S: i64 = 26 * 3_600;

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// When the offset changed, and to what, in order.
    changes: Vec<(i64, i64)>,
    /// The offset before the first change.
    first: i64,
    /// What holds after the last.
    rule: Option<Rule>,
}

/// There is no such time zone here.
#[derive(Debug)]
pub enum ZoneError {
    /// No zone has this name.
    Unknown,
    /// The machine has no time zones.
    NoDatabase,
    /// The zone's file cannot be read.
    Unreadable(std::io::Error),
    /// The zone's file is none, or of a kind that is not known.
    Damaged,
}

impl Zone {
    /// Universal time.
    pub fn utc() -> Self {
        Self { changes: Vec::new(), first: 0, rule: None }
    }

    /// The zone of a name.
    ///
    /// # Errors
    /// There is none, or the machine has no time zones at all.
    pub fn find(name: &str) -> Result<Self, ZoneError> {
        Self::find_in(Path::new(DIRECTORY), name)
    }

    fn find_in(directory: &Path, name: &str) -> Result<Self, ZoneError> {
        if UTC.contains(&name) {
            return Ok(Self::utc());
        }
        if !is_name(name) {
            return Err(ZoneError::Unknown);
        }
        let path = directory.join(name);
        // A directory is a part of names and no name.
        if !path.is_file() {
            return Err(if directory.is_dir() { ZoneError::Unknown } else { ZoneError::NoDatabase });
        }
        let mut bytes = Vec::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        read.map_err(ZoneError::Unreadable)?;
        Self::parse(&bytes).ok_or(ZoneError::Damaged)
    }

    /// Reads a file. The first half of it is for readers of old, with 32 bits for a time, and is passed over.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let first = reader.header()?;
        reader.take(first.bytes(4)?)?;
        let header = reader.header()?;
        let times = reader.take(header.times.checked_mul(8)?)?.chunks_exact(8);
        let times: Vec<i64> = times.filter_map(|it| Some(i64::from_be_bytes(it.try_into().ok()?))).collect();
        let kinds = reader.take(header.times)?;
        let offsets = reader.take(header.kinds.checked_mul(6)?)?.chunks_exact(6);
        let offsets: Vec<i64> =
            offsets.filter_map(|it| Some(i64::from(i32::from_be_bytes(it[..4].try_into().ok()?)))).collect();
        reader.take(header.after_kinds(8)?)?;
        let footer = reader.0.strip_prefix(b"\n")?.strip_suffix(b"\n")?;
        let changes =
            times.into_iter().zip(kinds.iter().map(|kind| offsets.get(usize::from(*kind)).copied()));
        let changes: Option<Vec<(i64, i64)>> = changes.map(|(at, offset)| Some((at, offset?))).collect();
        let rule = match std::str::from_utf8(footer).ok()? {
            "" => None,
            text => Some(Rule::parse(text)?),
        };
        let changes = changes.filter(|changes| changes.is_sorted_by_key(|change| change.0))?;
        Some(Self { changes, first: *offsets.first()?, rule })
    }

    /// How many seconds local time is ahead of universal time.
    pub fn offset_at(&self, seconds: i64) -> i64 {
        let place = self.changes.partition_point(|(at, _)| *at <= seconds);
        match &self.rule {
            // A zone without changes has always been under its rule.
            Some(rule) if place == self.changes.len() => rule.offset_at(seconds),
            _ => place.checked_sub(1).map_or(self.first, |last| self.changes[last].1),
        }
    }

    /// The moment of a local time: the first when there are two. None when clocks skip it.
    pub fn moment(&self, local: i64) -> Option<i64> {
        let moments = self.around(local).map(|offset| local - offset);
        moments.into_iter().filter(|moment| moment + self.offset_at(*moment) == local).min()
    }

    /// The same for a time that must be: one that clocks skip is as much later as they skip.
    pub fn moment_or_later(&self, local: i64) -> i64 {
        let [before, _] = self.around(local);
        self.moment(local).unwrap_or(local - before)
    }

    /// The offsets before and after whatever change there is near a local time.
    fn around(&self, local: i64) -> [i64; 2] {
        [self.offset_at(local - NEIGHBOURHOOD_S), self.offset_at(local + NEIGHBOURHOOD_S)]
    }
}

/// Whether a text can be a zone's name. It has no dots, so that it cannot lead out of the directory.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'/');
    let none = |no: &str| if no.ends_with('/') { name.starts_with(no) } else { name == no };
    !name.is_empty()
        && name.len() <= NAME_LENGTH_MAX
        && name.bytes().all(allowed)
        && name.split('/').all(|part| !part.is_empty())
        && !NO_ZONES.iter().any(|no| none(no))
}

/// How many there are of what a file holds.
struct Header {
    universal: usize,
    standard: usize,
    leaps: usize,
    times: usize,
    kinds: usize,
    letters: usize,
}

impl Header {
    /// The bytes of all that follows, when a time takes so many.
    fn bytes(&self, time: usize) -> Option<usize> {
        let times = self.times.checked_mul(time + 1)?;
        times.checked_add(self.kinds.checked_mul(6)?)?.checked_add(self.after_kinds(time)?)
    }

    fn after_kinds(&self, time: usize) -> Option<usize> {
        let leaps = self.leaps.checked_mul(time + 4)?;
        leaps.checked_add(self.letters)?.checked_add(self.standard)?.checked_add(self.universal)
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn header(&mut self) -> Option<Header> {
        let magic = self.take(20)?;
        // Of the first version, which has no footer, no system has made files for years.
        if !magic.starts_with(b"TZif") || magic[4] < b'2' {
            return None;
        }
        let mut count = || usize::try_from(u32::from_be_bytes(self.take(4)?.try_into().ok()?)).ok();
        let (universal, standard, leaps) = (count()?, count()?, count()?);
        Some(Header { universal, standard, leaps, times: count()?, kinds: count()?, letters: count()? })
    }
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("there is no such time zone"),
            Self::NoDatabase => {
                write!(f, "this machine knows UTC only: {DIRECTORY} is missing (package tzdata)")
            }
            Self::Unreadable(error) => fmt::Display::fmt(error, f),
            Self::Damaged => f.write_str("the file of the time zone does not read"),
        }
    }
}

impl std::error::Error for ZoneError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use hearth_base::Timestamp;

    /// A file as `zic` makes it, with nothing in its first half.
    pub(crate) fn file(changes: &[(i64, u8)], offsets: &[i32], footer: &str) -> Vec<u8> {
        let header = |times: usize, kinds: usize, letters: usize| {
            let mut bytes = b"TZif2".to_vec();
            bytes.extend([0; 15]);
            for count in [0, 0, 0, times, kinds, letters] {
                bytes.extend(u32::try_from(count).unwrap().to_be_bytes());
            }
            bytes
        };
        // Readers of old want at least one kind of time.
        let mut bytes = header(0, 1, 4);
        bytes.extend([0; 10]);
        bytes.extend(header(changes.len(), offsets.len(), 4));
        changes.iter().for_each(|(at, _)| bytes.extend(at.to_be_bytes()));
        bytes.extend(changes.iter().map(|(_, kind)| *kind));
        for offset in offsets {
            bytes.extend(offset.to_be_bytes());
            bytes.extend([0, 0]);
        }
        bytes.extend(*b"LMT\0");
        bytes.extend(format!("\n{footer}\n").into_bytes());
        bytes
    }

    /// New York since 2007, without what was before.
    pub(crate) fn new_york() -> Zone {
        Zone::parse(&file(&[(0, 0)], &[-18_000], "EST5EDT,M3.2.0,M11.1.0")).unwrap()
    }

    fn at(text: &str) -> i64 {
        Timestamp::parse_date_time(&format!("{text}Z")).unwrap().seconds()
    }

    #[test]
    fn a_file_is_read_with_its_changes_and_its_rule() {
        let changes = [(1_000, 1), (2_000, 0)];
        let zone = Zone::parse(&file(&changes, &[3_600, 7_200], "")).unwrap();
        for (time, offset) in
            [(0, 3_600), (999, 3_600), (1_000, 7_200), (1_999, 7_200), (2_000, 3_600), (9_000, 3_600)]
        {
            assert_eq!(zone.offset_at(time), offset, "{time}");
        }
        let zone = Zone::parse(&file(&changes, &[3_600, 7_200], "<+10>-10")).unwrap();
        assert_eq!((zone.offset_at(1_999), zone.offset_at(2_000)), (7_200, 36_000));
        let zone = Zone::parse(&file(&[], &[0], "<+0530>-5:30")).unwrap();
        assert_eq!(zone.offset_at(at("2090-01-01T00:00:00")), 19_800);
    }

    #[test]
    fn clocks_skip_an_hour_in_spring_and_repeat_one_in_autumn() {
        let zone = new_york();
        for (local, moment) in [
            ("2025-03-09T01:59:59", Some("2025-03-09T06:59:59")),
            ("2025-03-09T02:00:00", None),
            ("2025-03-09T02:59:59", None),
            ("2025-03-09T03:00:00", Some("2025-03-09T07:00:00")),
            ("2025-11-02T01:30:00", Some("2025-11-02T05:30:00")),
            ("2025-11-02T02:00:00", Some("2025-11-02T07:00:00")),
            ("2137-07-01T12:00:00", Some("2137-07-01T16:00:00")),
        ] {
            assert_eq!(zone.moment(at(local)), moment.map(at), "{local}");
        }
        assert_eq!(zone.moment_or_later(at("2025-03-09T02:30:00")), at("2025-03-09T07:30:00"));
    }

    #[test]
    fn what_is_no_file_is_damaged_and_never_panics() {
        let whole = file(&[(1_000, 1)], &[3_600, 7_200], "EST5EDT,M3.2.0,M11.1.0");
        for end in 0..whole.len() {
            assert_eq!(Zone::parse(&whole[..end]), None, "{end}");
        }
        for place in 0..whole.len() {
            let mut bent = whole.clone();
            bent[place] ^= 0xff;
            if let Some(zone) = Zone::parse(&bent) {
                zone.offset_at(1 << 40);
            }
        }
        assert_eq!(Zone::parse(&file(&[(1_000, 7)], &[0], "")), None, "a kind that is not there");
    }

    #[test]
    fn names_do_not_lead_out_of_the_directory() {
        let directory = std::env::temp_dir().join(format!("hearth-zones-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("Test")).unwrap();
        let bytes = file(&[], &[3_600], "<+01>-1");
        for name in ["Test/Zone", "localtime", "outside.zone"] {
            std::fs::write(directory.join(name), &bytes).unwrap();
        }
        let inner = directory.join("Test");
        assert_eq!(Zone::find_in(&directory, "Test/Zone").unwrap().offset_at(0), 3_600);
        for wrong in
            ["", "Test", "test/zone", "localtime", "/Test/Zone", "Test//Zone", "Test/Zone/", "a b", "Nowhere"]
        {
            assert!(matches!(Zone::find_in(&directory, wrong), Err(ZoneError::Unknown)), "{wrong:?}");
        }
        for wrong in ["../outside.zone", "../localtime", "./Zone", "right/Zone"] {
            assert!(matches!(Zone::find_in(&inner, wrong), Err(ZoneError::Unknown)), "{wrong:?}");
        }
        let absent = directory.join("absent");
        assert!(matches!(Zone::find_in(&absent, "Test/Zone"), Err(ZoneError::NoDatabase)));
        assert!(Zone::find_in(&absent, "UTC").is_ok());
        std::fs::write(directory.join("Text"), "no zone").unwrap();
        assert!(matches!(Zone::find_in(&directory, "Text"), Err(ZoneError::Damaged)));
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn the_zones_of_this_machine_read() {
        if !Path::new(DIRECTORY).is_dir() {
            return;
        }
        let tokyo = Zone::find("Asia/Tokyo").unwrap();
        assert_eq!(tokyo.offset_at(at("2025-01-01T00:00:00")), 32_400);
        let london = Zone::find("Europe/London").unwrap();
        for (time, offset) in
            [("2025-01-01T00:00:00", 0), ("2025-07-01T00:00:00", 3_600), ("2150-07-01T00:00:00", 3_600)]
        {
            assert_eq!(london.offset_at(at(time)), offset, "{time}");
        }
        let new_york = Zone::find("America/New_York").unwrap();
        for day in 0..3_650 {
            let time = at("2025-01-01T07:30:00") + day * 86_400;
            assert_eq!(new_york.offset_at(time), self::new_york().offset_at(time), "{time}");
        }
    }
}
