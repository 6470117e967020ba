//! The framing, with the worked examples of AWS's documentation.

use super::*;
use crate::sigv4::Scope;
use proptest::prelude::*;

fn chain(seed: &str) -> Chain {
    let scope = Scope {
        access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
        date: "20130524".into(),
        region: "us-east-1".into(),
        service: "s3".into(),
    };
    Chain {
        key: SigningKey::derive("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &scope),
        time_text: "20130524T000000Z".into(),
        scope_text: scope.text(),
        previous: unhex(seed).unwrap(),
    }
}

const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
const SEED_WITH_TRAILER: &str = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";

fn framed(signatures: [&str; 3], trailer: &str) -> Bytes {
    let [first, second, last] = signatures;
    let (large, small) = ("a".repeat(65_536), "a".repeat(1_024));
    Bytes::from(format!(
        "10000;chunk-signature={first}\r\n{large}\r\n400;chunk-signature={second}\r\n{small}\r\n\
         0;chunk-signature={last}\r\n{trailer}\r\n"
    ))
}

#[test]
fn signed_chunks_are_those_of_the_documentation() {
    let body = framed(
        [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ],
        "",
    );
    let plain = unframe(body.clone(), Some(chain(SEED)), None, Some(66_560)).unwrap();
    assert!(plain.body.len() == 66_560 && plain.body.iter().all(|byte| *byte == b'a'));

    let mut altered = body.to_vec();
    altered[70_000 - 4_000] = b'b';
    assert_eq!(unframe(altered.into(), Some(chain(SEED)), None, None).unwrap_err(), Refusal::Mismatch);
    let short = unframe(body, Some(chain(SEED)), None, Some(66_561)).unwrap_err();
    assert!(matches!(short, Refusal::Framing(_)));
}

#[test]
fn signed_trailers_are_those_of_the_documentation() {
    let signatures = [
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    let trailer = "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
                   d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n";
    let announced = Some("x-amz-checksum-crc32c");
    let read =
        |trailer: &str| unframe(framed(signatures, trailer), Some(chain(SEED_WITH_TRAILER)), announced, None);
    assert_eq!(read(trailer).unwrap().trailers["x-amz-checksum-crc32c"], "sOO8/Q==");
    assert_eq!(read(&trailer.replace("sOO8", "sOO9")).unwrap_err(), Refusal::Mismatch);
    assert_eq!(read("").unwrap_err(), Refusal::Mismatch, "an announced trailer cannot be left out");
    let other = read(&trailer.replace("crc32c", "crc64"));
    assert!(matches!(other.unwrap_err(), Refusal::Framing(_)), "only announced headers are taken");
}

#[test]
fn unsigned_chunks_with_a_trailer_are_taken_apart() {
    let framed =
        Bytes::from_static(b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n");
    let plain = unframe(framed, None, Some("x-amz-checksum-crc32"), Some(11)).unwrap();
    assert_eq!(plain.body, "hello world");
    assert_eq!(plain.trailers["x-amz-checksum-crc32"], "DUoRhQ==");
}

#[test]
fn broken_framing_is_refused() {
    for broken in
        ["", "5", "5\r\n", "5\r\nhel", "5\r\nhelloX0\r\n\r\n", "zz\r\n", "fffffffff\r\n", ";\r\n", "-1\r\n"]
    {
        let refused = unframe(Bytes::from(broken), None, None, None).unwrap_err();
        assert!(matches!(refused, Refusal::Framing(_)), "{broken:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = unframe(Bytes::from(bytes), None, Some("x"), None);
    }

    #[test]
    fn what_was_framed_comes_out(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..6)) {
        let mut framed = Vec::new();
        for piece in &pieces {
            framed.extend(format!("{:X}\r\n", piece.len()).bytes());
            framed.extend(piece);
            framed.extend(b"\r\n");
        }
        framed.extend(b"0\r\n\r\n");
        let plain = unframe(framed.into(), None, None, None).unwrap();
        prop_assert_eq!(&plain.body[..], &pieces.concat()[..]);
    }
}
