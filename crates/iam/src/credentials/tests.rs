//! Who has which key, and what a sealed session is worth.

use super::*;
use crate::directory::model::{Head, Permissions, Tags, User, UserKey};
use hearth_base::{SeededRng, SystemClock, VirtualClock};
use hearth_store::memory;

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
    for token in ["", "AAAA", "not base64!", &"A".repeat(40_000)] {
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

/// A directory with the user Ada, who has one key that opens and one that does not.
async fn directory() -> Arc<Directory> {
    let directory = Directory::default();
    let store = memory::Memory::new(Arc::new(SystemClock), memory::Options::default());
    directory.open(Arc::new(store)).await.unwrap();
    let created = Timestamp::from_seconds(1);
    let key = |id: &str, active| UserKey { id: id.into(), active, created };
    let head = Head {
        account: AccountId::DEVELOPMENT,
        name: "Ada".into(),
        path: "/".into(),
        id: "AIDA1".into(),
        created,
    };
    let user = User {
        head,
        permissions: Permissions::default(),
        tags: Tags::default(),
        groups: Vec::new(),
        keys: vec![key("AKIAON", true), key("AKIAOFF", false)],
    };
    directory
        .change(|_, edit| {
            edit.insert(user);
            Ok(())
        })
        .await
        .unwrap();
    Arc::new(directory)
}

#[tokio::test]
async fn a_users_key_opens_what_the_user_is_while_it_is_active() {
    let keys = credentials(real_key(), 1).0.over(directory().await);
    let found = keys.find("AKIAON", None, Origin::Network).unwrap();
    assert_eq!(found.principal.arn("aws"), "arn:aws:iam::000000000000:user/Ada");
    assert_eq!((found.secret.len(), found.session.is_none()), (40, true));
    assert_eq!(found.secret, keys.user_secret("AKIAON"));
    assert_ne!(found.secret, credentials(real_key(), 2).0.user_secret("AKIAON"));
    for id in ["AKIAOFF", "AKIANONE"] {
        assert_eq!(keys.find(id, None, Origin::Loopback).unwrap_err(), Refusal::UnknownKey);
    }
    assert_eq!(keys.find("AKIAON", Some("token"), Origin::Loopback).unwrap_err(), Refusal::UnknownToken);
}

#[tokio::test]
async fn a_users_session_ends_with_the_user() {
    let directory = directory().await;
    let keys = credentials(real_key(), 1).0.over(Arc::clone(&directory));
    assert!(keys.issue_user_session(AccountId::DEVELOPMENT, Some("Bob"), Duration::from_secs(900)).is_none());
    let issued =
        keys.issue_user_session(AccountId::DEVELOPMENT, Some("Ada"), Duration::from_secs(900)).unwrap();
    let find = || keys.find(&issued.access_key_id, Some(&issued.session_token), Origin::Network);
    let found = find().unwrap();
    assert_eq!(found.session.unwrap().issued, Some(Timestamp::from_seconds(1_000_000)));
    directory
        .change(|state, edit| {
            edit.remove(state.user_of_key("AKIAON").unwrap());
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(find().unwrap_err(), Refusal::UnknownToken);
}

#[tokio::test]
async fn a_session_carries_what_it_was_given_and_gone_policies_allow_nothing() {
    let keys = credentials(real_key(), 1).0.over(directory().await);
    let extras = Extras {
        policy: Some("inline".into()),
        managed: vec![PolicyRef::Aws("AWSLambdaRole".into()), PolicyRef::Own("gone".into())],
        tags: vec![("team".into(), "red".into())],
        transitive: vec!["team".into()],
        source_identity: Some("Ada".into()),
        source_function: None,
    };
    assert!((1..=100).contains(&extras.percent()));
    let issued = keys.issue_role_session(&SESSION, extras).unwrap();
    let found = keys.find(&issued.access_key_id, Some(&issued.session_token), Origin::Network).unwrap();
    let session = found.session.unwrap();
    assert_eq!(&*session.policies[0], "inline");
    assert!(session.policies[1].contains("lambda:InvokeFunction"));
    assert_eq!(&*session.policies[2], NOTHING);
    assert_eq!(session.tags, [("team".into(), "red".into())]);
    assert_eq!(
        (&*session.transitive_tag_keys, session.source_identity.as_deref()),
        (&["team".into()][..], Some("Ada"))
    );
}

#[tokio::test]
async fn key_ids_tell_their_account_and_uses_are_noted() {
    let keys = credentials(real_key(), 1).0.over(directory().await);
    let account: AccountId = "999999999999".parse().unwrap();
    let issued = keys.issue_session(&Session { account, ..SESSION }).unwrap();
    assert_eq!(keys.account_of(&issued.access_key_id), Some(account));
    assert_eq!(keys.account_of("AKIAON"), Some(AccountId::DEVELOPMENT));
    assert_eq!(keys.account_of("AKIAREAL"), Some(AccountId::DEVELOPMENT));
    for id in ["AKIANONE", "ASIA", "ASIA1111111111111111", "ASIA7777777777777777"] {
        assert_eq!(keys.account_of(id), None, "{id}");
    }
    let used = |id: &str| Scope {
        access_key_id: id.into(),
        date: "19700112".into(),
        region: "eu-west-1".into(),
        service: "lambda".into(),
    };
    assert_eq!(keys.last_use("AKIAON"), None);
    ["AKIAON", "AKIANONE", "AKIAREAL"].iter().for_each(|id| keys.note_use(&used(id)));
    let last = keys.last_use("AKIAON").unwrap();
    assert_eq!((last.at.seconds(), &*last.service, &*last.region), (1_000_000, "lambda", "eu-west-1"));
    assert_eq!((keys.last_use("AKIANONE"), keys.last_use("AKIAREAL")), (None, None));
}

#[test]
fn base_32_is_rfc_4648s() {
    for (bytes, text) in
        [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("fooba", "MZXW6YTB"), ("foobar", "MZXW6YTBOI")]
    {
        assert_eq!(base32(bytes.as_bytes()), text);
    }
}
