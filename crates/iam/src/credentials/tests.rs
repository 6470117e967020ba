//! Who has which key, and what a sealed session is worth.

use super::*;
use hearth_base::{SeededRng, VirtualClock};

fn credentials(root: AccessKey, sealing_key: u8) -> (Credentials, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::new(Timestamp::from_seconds(1_000_000)));
    let options = Options {
        account: AccountId::DEVELOPMENT,
        root,
        sealing_key: [sealing_key; 32],
        clock: clock.clone(),
        rng: Arc::new(SeededRng::new(3)),
    };
    (Credentials::new(options), clock)
}

fn real_key() -> AccessKey {
    AccessKey { access_key_id: "AKIAREAL".into(), secret_access_key: "long and secret".into() }
}

const SESSION: Session<'static> = Session {
    account: AccountId::DEVELOPMENT,
    role: "role",
    name: "function",
    duration: Duration::from_secs(3600),
};

#[test]
fn long_term_keys_open_what_they_should() {
    use Origin::{Environment, Loopback, Network};
    let development = credentials(AccessKey::development(), 1).0;
    let real = credentials(real_key(), 1).0;
    for (keys, id, origin, account) in [
        (&development, "test", Loopback, Some("000000000000")),
        (&development, "123456789012", Loopback, Some("123456789012")),
        (&development, "test", Network, None),
        (&development, "test", Environment, None),
        (&development, "123456789012", Environment, None),
        (&development, "AKIAIOSFODNN7EXAMPLE", Loopback, None),
        (&development, "12345678901", Loopback, None),
        (&development, "", Loopback, None),
        (&real, "AKIAREAL", Network, Some("000000000000")),
        (&real, "AKIAREAL", Environment, Some("000000000000")),
        (&real, "test", Loopback, None),
        (&real, "123456789012", Loopback, None),
    ] {
        let found = keys.find(id, None, origin).map(|found| found.principal);
        let expected = account.map(|account| Principal::Root(account.parse().unwrap()));
        assert_eq!(found.ok(), expected, "{id} from {origin:?}");
    }
    assert_eq!(development.find("test", Some("token"), Loopback).unwrap_err(), Refusal::UnknownToken);
}

#[test]
fn a_session_is_its_role_until_it_expires() {
    let (keys, clock) = credentials(real_key(), 1);
    let issued = keys.issue_session(&SESSION).unwrap();
    assert_eq!((issued.access_key_id.len(), issued.secret_access_key.len()), (20, 40));
    assert_eq!(issued.expiration, Timestamp::from_seconds(1_003_600));
    let find = |keys: &Credentials| {
        keys.find(&issued.access_key_id, Some(&issued.session_token), Origin::Environment)
    };
    let found = find(&keys).unwrap();
    assert_eq!(found.secret, issued.secret_access_key);
    assert_eq!(found.principal.arn("aws"), "arn:aws:sts::000000000000:assumed-role/role/function");
    // The same sealing key, as after a restart, knows the session; another one does not.
    assert!(find(&credentials(real_key(), 1).0).is_ok());
    assert_eq!(find(&credentials(real_key(), 2).0).unwrap_err(), Refusal::UnknownToken);
    clock.advance(Duration::from_millis(3_599_999));
    assert!(find(&keys).is_ok());
    clock.advance(Duration::from_millis(1));
    assert_eq!(find(&keys).unwrap_err(), Refusal::ExpiredToken);
}

#[test]
fn no_byte_of_a_token_can_be_changed() {
    let keys = credentials(real_key(), 1).0;
    let issued = keys.issue_session(&SESSION).unwrap();
    let other = keys.issue_session(&SESSION).unwrap();
    let find = |id: &str, token: Option<&str>| keys.find(id, token, Origin::Environment).map(|_| ());
    assert_eq!(find(&issued.access_key_id, None), Err(Refusal::UnknownKey));
    assert_eq!(find(&issued.access_key_id, Some(&other.session_token)), Err(Refusal::UnknownToken));
    let bytes = STANDARD.decode(&issued.session_token).unwrap();
    for place in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[place] ^= 1;
        let token = STANDARD.encode(altered);
        assert_eq!(find(&issued.access_key_id, Some(&token)), Err(Refusal::UnknownToken), "byte {place}");
    }
    for token in ["", "AAAA", "not base64!", &"A".repeat(4_000)] {
        assert_eq!(find(&issued.access_key_id, Some(token)), Err(Refusal::UnknownToken));
    }
}

#[test]
fn names_that_do_not_fit_are_refused() {
    let keys = credentials(real_key(), 1).0;
    let longest = "n".repeat(255);
    let issued = keys.issue_session(&Session { name: &longest, role: &longest, ..SESSION }).unwrap();
    keys.find(&issued.access_key_id, Some(&issued.session_token), Origin::Network).unwrap();
    for name in ["", &"n".repeat(256)] {
        assert!(keys.issue_session(&Session { name, ..SESSION }).is_err());
        assert!(keys.issue_session(&Session { role: name, ..SESSION }).is_err());
    }
}

#[test]
fn base_32_is_rfc_4648s() {
    for (bytes, text) in
        [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("fooba", "MZXW6YTB"), ("foobar", "MZXW6YTBOI")]
    {
        assert_eq!(base32(bytes.as_bytes()), text);
    }
}
