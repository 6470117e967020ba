//! What the directory keeps, over a memory store.

use super::model::{Head, Permissions, Tags, UserKey};
use super::*;
use crate::identities::Identities;
use hearth_base::{SystemClock, Timestamp};
use hearth_store::memory;

const ACCOUNT: AccountId = AccountId::DEVELOPMENT;

fn store() -> Store {
    Arc::new(memory::Memory::new(Arc::new(SystemClock), memory::Options::default()))
}

fn head(name: &str) -> Head {
    Head {
        account: ACCOUNT,
        name: name.into(),
        path: "/".into(),
        id: format!("ID-{name}"),
        created: Timestamp::from_seconds(1),
    }
}

fn user(name: &str, key: &str) -> User {
    User {
        head: head(name),
        permissions: Permissions::default(),
        tags: Tags::default(),
        groups: vec!["ID-g".into()],
        keys: vec![UserKey { id: key.into(), active: true, created: Timestamp::from_seconds(1) }],
    }
}

fn group(policy: Option<&str>) -> Group {
    let inline = policy.map(|text| ("in".to_owned(), text.to_owned())).into_iter().collect();
    Group { head: head("g"), permissions: Permissions { inline, ..Permissions::default() } }
}

const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

async fn insert<T: Shelved>(directory: &Directory, value: T) {
    directory
        .change(|_, edit| {
            edit.insert(value);
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn what_was_committed_is_there_again_and_what_was_refused_is_not() {
    let (store, directory) = (store(), Directory::default());
    directory.open(Arc::clone(&store)).await.unwrap();
    insert(&directory, group(None)).await;
    insert(&directory, user("Ada", "AKIA1")).await;
    let refused: Result<(), Failure> = directory
        .change(|_, edit| {
            edit.insert(user("Bob", "AKIA2"));
            Err(Failure::internal("no"))
        })
        .await;
    assert!(refused.is_err());
    let again = Directory::default();
    again.open(store).await.unwrap();
    for directory in [directory, again] {
        directory.read(|state| {
            assert_eq!(state.user_of_key("AKIA1").unwrap().value.head.name, "Ada");
            assert_eq!(state.users.get(ACCOUNT, "ADA").unwrap().value.head.name, "Ada");
            assert_eq!(state.members(ACCOUNT, "ID-g").count(), 1);
            assert!(state.user_of_key("AKIA2").is_none() && state.users.get(ACCOUNT, "Bob").is_none());
        });
    }
}

#[tokio::test]
async fn a_renamed_user_is_found_by_its_key_and_not_by_its_former_name() {
    let (store, directory) = (store(), Directory::default());
    directory.open(Arc::clone(&store)).await.unwrap();
    insert(&directory, user("Ada", "AKIA1")).await;
    let rename = |to: &'static str| {
        directory.change(move |state, edit| {
            let held = state.user_of_key("AKIA1").unwrap();
            let mut user = held.value.clone();
            user.head.name = to.into();
            edit.replace(held, user);
            Ok(())
        })
    };
    rename("ADA").await.unwrap();
    rename("Grace").await.unwrap();
    directory.open(store).await.unwrap();
    directory.read(|state| {
        assert_eq!(state.user_of_key("AKIA1").unwrap().value.head.name, "Grace");
        assert_eq!(state.users.of(ACCOUNT).count(), 1);
    });
}

#[tokio::test]
async fn another_writer_of_the_same_store_is_noticed() {
    let store = store();
    let (one, other) = (Directory::default(), Directory::default());
    one.open(Arc::clone(&store)).await.unwrap();
    other.open(store).await.unwrap();
    insert(&one, group(None)).await;
    let failure = other
        .change(|_, edit| {
            edit.insert(group(None));
            Ok(())
        })
        .await
        .unwrap_err();
    assert_eq!(failure.code, "ConcurrentModification");
}

#[tokio::test]
async fn a_users_policies_are_those_of_its_groups_as_they_are_now() {
    let directory = Directory::default();
    directory.open(store()).await.unwrap();
    insert(&directory, group(None)).await;
    insert(&directory, user("Ada", "AKIA1")).await;
    let policies = || directory.user(ACCOUNT, "Ada").unwrap();
    assert!(policies().policies.is_empty());
    assert!(Arc::ptr_eq(&policies(), &policies()), "put together once");
    directory
        .change(|state, edit| {
            edit.replace(state.groups.get(ACCOUNT, "g").unwrap(), group(Some(ALLOW)));
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(policies().policies.iter().map(|policy| &*policy.id).collect::<Vec<_>>(), ["in"]);
    assert!(directory.user(ACCOUNT, "ada").is_none(), "names are told in their own letters");
}

#[tokio::test]
async fn without_a_store_nothing_is_there_and_nothing_changes() {
    let directory = Directory::default();
    assert!(directory.read(|state| state.users.of(ACCOUNT).next().is_none()));
    let failure = directory.change(|_, _| Ok(())).await.unwrap_err();
    assert_eq!((failure.code.as_ref(), failure.status), ("ServiceFailure", 500));
}

#[test]
fn a_document_that_does_not_read_denies_everything() {
    let held = Held::new(group(Some("{")), Revision(1));
    let denied = format!("{:?}", held.parsed);
    assert!(denied.contains("Deny"), "{denied}");
}

#[test]
fn tags_are_the_same_whatever_the_case_of_their_keys() {
    let mut tags = Tags::default();
    tags.set(vec![("Team".into(), "1".into()), ("b".into(), "2".into())]);
    tags.set(vec![("TEAM".into(), "3".into())]);
    assert_eq!(tags.0, [("TEAM".into(), "3".into()), ("b".into(), "2".into())]);
    tags.remove(&["team".into(), "c".into()]);
    assert_eq!(tags.0, [("b".into(), "2".into())]);
}
