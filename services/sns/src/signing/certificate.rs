//! The certificate of a signing key, in DER and PEM: self-signed, of one shape, so that it is written out here.
//! <https://www.rfc-editor.org/rfc/rfc5280#section-4.1>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Whom it names. Validators look for the name that AWS's certificates have.
const COMMON_NAME: &str = "sns.amazonaws.com";
const ORGANIZATION: &str = "Hearth";

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]` and `[3]` around the version and the extensions, `[2]` for a DNS name.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;

/// sha256WithRSAEncryption and no parameters.
const ALGORITHM: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00];
const OID_COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
const OID_ORGANIZATION: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x0a];
const OID_ALTERNATIVE_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x11];

/// Makes the certificate of a public key (a SubjectPublicKeyInfo in DER), signed by `sign`.
pub fn make<E>(
    public_key: &[u8],
    serial: [u8; 16],
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let signed = to_be_signed(public_key, serial);
    let mut signature = vec![0];
    signature.extend(sign(&signed)?);
    Ok(wrap(SEQUENCE, &[&signed, &ALGORITHM, &wrap(BIT_STRING, &[&signature])]))
}

fn to_be_signed(public_key: &[u8], mut serial: [u8; 16]) -> Vec<u8> {
    // Serial numbers are positive and have no leading zeros.
    serial[0] = serial[0] & 0x7f | 0x40;
    let name = wrap(
        SEQUENCE,
        &[&attribute(&OID_ORGANIZATION, ORGANIZATION), &attribute(&OID_COMMON_NAME, COMMON_NAME)],
    );
    // Whoever holds the key holds it for good, and the services' clock may be years ahead: it has no end.
    let validity = wrap(
        SEQUENCE,
        &[&wrap(UTC_TIME, &[b"200101000000Z"]), &wrap(GENERALIZED_TIME, &[b"99991231235959Z"])],
    );
    let names = wrap(SEQUENCE, &[&wrap(DNS_NAME, &[COMMON_NAME.as_bytes()])]);
    let extension = wrap(SEQUENCE, &[&OID_ALTERNATIVE_NAME, &wrap(OCTET_STRING, &[&names])]);
    let fields: [&[u8]; 8] = [
        &wrap(VERSION, &[&[INTEGER, 1, 2]]),
        &wrap(INTEGER, &[&serial]),
        &ALGORITHM,
        &name,
        &validity,
        &name,
        public_key,
        &wrap(EXTENSIONS, &[&wrap(SEQUENCE, &[&extension])]),
    ];
    wrap(SEQUENCE, &fields)
}

fn attribute(oid: &[u8], text: &str) -> Vec<u8> {
    wrap(SET, &[&wrap(SEQUENCE, &[oid, &wrap(UTF8_STRING, &[text.as_bytes()])])])
}

/// A tag, the length and what it holds.
fn wrap(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut der = vec![tag];
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1)..];
    if length < 0x80 {
        der.extend(significant);
    } else {
        der.push(0x80 | u8::try_from(significant.len()).expect("a length has eight bytes at most"));
        der.extend(significant);
    }
    parts.iter().for_each(|part| der.extend(*part));
    der
}

/// The certificate as it is served.
pub fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_der_wants_them() {
        for (length, head) in
            [(0, &[0x30, 0][..]), (127, &[0x30, 127]), (128, &[0x30, 0x81, 128]), (256, &[0x30, 0x82, 1, 0])]
        {
            let der = wrap(SEQUENCE, &[&vec![7; length]]);
            assert_eq!((&der[..head.len()], der.len()), (head, head.len() + length));
        }
    }
}
