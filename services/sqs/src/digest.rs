//! The MD5 digests that SQS answers and its SDKs check, and the SHA-256 of content-based deduplication.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>

use crate::message::Attribute;
use md5::{Digest, Md5};
use sha2::Sha256;
use std::collections::BTreeMap;

/// Of a body.
pub fn of_body(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

/// Of attributes, in the order of their names; none when there are none.
pub fn of_attributes(attributes: &BTreeMap<String, Attribute>) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    for (name, attribute) in attributes {
        part(&mut digest, name.as_bytes());
        part(&mut digest, attribute.data_type.as_bytes());
        // What kind of value follows: text or bytes.
        digest.update([if attribute.binary.is_some() { 2 } else { 1 }]);
        part(&mut digest, attribute.bytes());
    }
    Some(hex(&digest.finalize()))
}

/// Its length, then itself.
fn part(digest: &mut Md5, bytes: &[u8]) {
    digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    digest.update(bytes);
}

/// What identifies a message of this body.
pub fn of_content(body: &str) -> String {
    hex(&Sha256::digest(body.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}
