//! The frames in which runtimes hand log messages over: a message of several lines stays one.
//!
//! A frame is its type (4 bytes), the message's length (4), the time in microseconds (8), all big-endian, and the message.
//! The other end is hostile: a length bounds nothing here, since a message is handed on as it comes, and what is no frame is
//! handed on as plain text. It refuses to believe the time, which the function could set at will: events are in the order
//! in which they came.

/// What all types begin with.
const MAGIC: [u8; 3] = [0xa5, 0x5a, 0x00];
/// The highest last byte of a type: `a55a0003`, text, with the highest level, 6 for `FATAL`.
const KIND_MAX: u8 = 3 + 4 * 6;
/// Type, length and time.
const HEAD_BYTES: usize = 16;
/// The head of the first kind, `a55a0001`, has no time.
const HEAD_BYTES_UNTIMED: usize = 8;

/// Reads frames from pieces of any size.
#[derive(Default)]
pub(super) struct Frames {
    head: Vec<u8>,
    /// Bytes of the message that are still to come.
    left: usize,
}

/// What comes of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A message begins.
    Begin,
    /// More of it.
    Message(&'a [u8]),
    /// It ends.
    End,
    /// A byte that belongs to no frame.
    Stray(u8),
}

impl Frames {
    /// Hands on all that `bytes` says.
    pub(super) fn read<'a>(&mut self, mut bytes: &'a [u8], mut tell: impl FnMut(Part<'a>)) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let (message, rest) = bytes.split_at(self.left.min(bytes.len()));
                self.left -= message.len();
                bytes = rest;
                tell(Part::Message(message));
                if self.left == 0 {
                    tell(Part::End);
                }
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            while !self.head.is_empty() && !could_begin(&self.head) {
                tell(Part::Stray(self.head.remove(0)));
            }
            if let Some(length) = self.length() {
                self.head.clear();
                self.left = length;
                tell(Part::Begin);
                if length == 0 {
                    tell(Part::End);
                }
            }
        }
    }

    /// The length of the message, once the head is whole.
    fn length(&self) -> Option<usize> {
        let untimed = self.head.get(3).is_some_and(|kind| kind & 3 == 1);
        let whole = if untimed { HEAD_BYTES_UNTIMED } else { HEAD_BYTES };
        let (_, rest) = self.head.split_at_checked(4).filter(|_| self.head.len() == whole)?;
        let length = u32::from_be_bytes(*rest.first_chunk()?);
        usize::try_from(length).ok()
    }
}

/// Whether these first bytes may be those of a frame.
fn could_begin(head: &[u8]) -> bool {
    let kind = head.get(3).is_none_or(|kind| (1..=KIND_MAX).contains(kind) && kind & 3 != 0);
    head.iter().zip(MAGIC).all(|(byte, expected)| *byte == expected) && kind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, message: &[u8]) -> Vec<u8> {
        let mut frame = vec![0xa5, 0x5a, 0, kind];
        frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
        if kind & 3 != 1 {
            frame.extend_from_slice(&[0xff; 8]);
        }
        frame.extend_from_slice(message);
        frame
    }

    /// Messages as they are, what is no frame in brackets.
    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let (mut frames, mut read, mut stray) = (Frames::default(), Vec::new(), Vec::new());
        let mut message = Vec::new();
        for piece in pieces {
            frames.read(piece, |part| match part {
                Part::Begin if !stray.is_empty() => {
                    read.push(format!("[{}]", String::from_utf8_lossy(&std::mem::take(&mut stray))));
                }
                Part::Begin => {}
                Part::Message(more) => message.extend_from_slice(more),
                Part::End => read.push(String::from_utf8(std::mem::take(&mut message)).unwrap()),
                Part::Stray(byte) => stray.push(byte),
            });
        }
        if !stray.is_empty() {
            read.push(format!("[{}]", String::from_utf8_lossy(&stray)));
        }
        read
    }

    #[test]
    fn frames_are_read_however_they_are_cut_and_what_is_none_is_text() {
        let cases: [(Vec<u8>, &[&str]); 6] = [
            (frame(3, b"one\ntwo"), &["one\ntwo"]),
            (
                [frame(1, b"old"), frame(2 + 4 * 3, b"{}"), frame(3, b""), frame(27, b"x")].concat(),
                &["old", "{}", "", "x"],
            ),
            ([b"plain\n".to_vec(), frame(3, b"m"), b"tail".to_vec()].concat(), &["[plain\n]", "m", "[tail]"]),
            ([vec![0xa5, 0x5a], frame(3, b"m")].concat(), &["[\u{fffd}Z]", "m"]),
            (
                frame(0, b"m"),
                &[
                    "[\u{fffd}Z\0\0\0\0\0\u{1}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}m]",
                ],
            ),
            (frame(28, b"")[..4].to_vec(), &["[\u{fffd}Z\0\u{1c}]"]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(read(&[&bytes]), expected);
            for cut in 1..bytes.len() {
                assert_eq!(read(&[&bytes[..cut], &bytes[cut..]]), expected, "cut at {cut}");
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(read(&single), expected);
        }
    }

    #[test]
    fn a_length_that_lies_takes_no_memory() {
        let mut frames = Frames::default();
        let mut count = 0;
        let head = [&[0xa5, 0x5a, 0, 3, 0xff, 0xff, 0xff, 0xff][..], &[0; 8]].concat();
        frames.read(&head, |part| assert_eq!(part, Part::Begin));
        for _ in 0..1000 {
            frames.read(&[b'x'; 1000], |part| match part {
                Part::Message(more) => count += more.len(),
                part => panic!("{part:?}"),
            });
        }
        assert_eq!((count, frames.head.capacity() < 64), (1_000_000, true));
    }
}
