//! Request ids and other identifiers AWS hands out.

use crate::{Rng, Timestamp};
use std::fmt;

/// The id on every answer and in every log line of an invocation: a random UUID (version 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// A new random id.
    pub fn new(rng: &dyn Rng) -> Self {
        let mut bytes = [0; 16];
        rng.fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// Reads an id as it is written.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
        let mut bytes = [0; 16];
        if text.len() != 36 || digits.len() != 32 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        // Hyphens elsewhere, or signs that a number may have, are written otherwise.
        let id = Self(bytes);
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every invocation writes its id several times: in one piece.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut place = 0;
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                place += 1;
            }
            text[place] = DIGITS[usize::from(byte >> 4)];
            text[place + 1] = DIGITS[usize::from(byte & 15)];
            place += 2;
        }
        f.write_str(std::str::from_utf8(&text).expect("digits and hyphens are text"))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A random UUID as text: revision ids and the like.
pub fn uuid(rng: &dyn Rng) -> String {
    RequestId::new(rng).to_string()
}

/// `count` random bytes as lower-case hexadecimal: log stream suffixes, trace ids.
pub fn random_hex(rng: &dyn Rng, count: usize) -> String {
    let mut bytes = vec![0; count];
    rng.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key that sorts by time: 48 bits of milliseconds and 80 random bits, as 26 characters of Crockford's base 32.
pub fn time_ordered(now: Timestamp, rng: &dyn Rng) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let mut random = [0; 16];
    rng.fill(&mut random);
    let millis = now.millis().max(0).unsigned_abs().min((1 << 48) - 1);
    let value = u128::from(millis) << 80 | u128::from_le_bytes(random) >> 48;
    (0..26).rev().map(|place| char::from(ALPHABET[(value >> (place * 5)) as usize & 31])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRng;

    #[test]
    fn request_ids_are_version_4_uuids() {
        let text = RequestId::new(&SeededRng::new(7)).to_string();
        assert_eq!(text.len(), 36);
        assert_eq!(&text[14..15], "4");
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"));
        let bytes = std::array::from_fn(|index| (index * 17) as u8);
        assert_eq!(RequestId(bytes).to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(RequestId::parse(&text).unwrap().to_string(), text);
        for wrong in [
            "",
            "00112233-4455-6677-8899-aabbccddeef",
            "0011-2233-4455-6677-8899-aabbccddeeff",
            "+0112233-4455-6677-8899-aabbccddeeff",
        ] {
            assert_eq!(RequestId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn later_keys_sort_later() {
        let rng = SeededRng::new(1);
        let keys: Vec<String> =
            (0..100).map(|ms| time_ordered(Timestamp::from_millis(ms * 7), &rng)).collect();
        assert!(keys.is_sorted());
        assert!(keys.iter().all(|key| key.len() == 26));
    }
}
