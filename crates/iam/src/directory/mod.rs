//! The directory of identities: every user, group, role and managed policy, stored as records and held in memory.
//!
//! It is the one writer of them. A change is checked against what is in memory and committed as one batch with the
//! revisions it builds on; only what has been committed is seen. A lookup reads no storage and waits for none. What is
//! held is bounded by IAM's own quotas. It refuses to decide anything: that is the evaluator's business.

mod identities;
pub mod managed;
pub mod model;
#[cfg(test)]
mod tests;

use hearth_api::iam::errors;
use hearth_base::AccountId;
use hearth_store::records::{Listing, RecordError};
use hearth_store::{Batch, CommitError, Expect, Keyspace, Revision, Shard, Store, Table};
use hearth_wire::Failure;
use identities::Parsed;
use model::{Account, Entity, Group, Policy, PolicyRef, Role, User};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// An account and a name in small letters.
pub type Place = (AccountId, String);

/// Where an entity of this name is, whatever its letters.
pub fn place(account: AccountId, name: &str) -> Place {
    (account, name.to_lowercase())
}

/// An entity, which write of it this is, and what is made of it for lookups.
#[derive(Debug)]
pub struct Held<T> {
    /// The entity.
    pub value: T,
    revision: Revision,
    parsed: Parsed,
}

impl<T: Entity> Held<T> {
    fn new(value: T, revision: Revision) -> Self {
        let parsed = Parsed::of(&value);
        Self { value, revision, parsed }
    }
}

/// All entities of a kind, in the order of accounts and names.
#[derive(Debug)]
pub struct Shelf<T>(BTreeMap<Place, Arc<Held<T>>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Entity> Shelf<T> {
    /// The entity of a name, whatever its letters.
    pub fn get(&self, account: AccountId, name: &str) -> Option<&Arc<Held<T>>> {
        self.0.get(&place(account, name))
    }

    /// The entities of an account.
    pub fn of(&self, account: AccountId) -> impl Iterator<Item = &Arc<Held<T>>> {
        let from = (account, String::new());
        self.0.range(from..).take_while(move |((of, _), _)| *of == account).map(|(_, held)| held)
    }
}

/// Everything there is, as it was committed.
#[derive(Debug, Default)]
pub struct State {
    /// Users.
    pub users: Shelf<User>,
    /// Groups.
    pub groups: Shelf<Group>,
    /// Roles.
    pub roles: Shelf<Role>,
    /// Managed policies of accounts.
    pub policies: Shelf<Policy>,
    accounts: HashMap<AccountId, (Account, Revision)>,
    /// Users by their access keys.
    keys: HashMap<String, Place>,
    /// Groups by their ids.
    group_ids: HashMap<String, Place>,
    /// Grows with every change: what was put together before is not good any more.
    generation: u64,
}

impl State {
    /// The user that has an access key.
    pub fn user_of_key(&self, key_id: &str) -> Option<&Arc<Held<User>>> {
        self.users.0.get(self.keys.get(key_id)?)
    }

    /// The group of an id.
    pub fn group_of_id(&self, id: &str) -> Option<&Arc<Held<Group>>> {
        self.groups.0.get(self.group_ids.get(id)?)
    }

    /// The members of a group.
    pub fn members<'a>(
        &'a self,
        account: AccountId,
        group_id: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Held<User>>> {
        self.users.of(account).filter(move |user| user.value.groups.iter().any(|id| id == group_id))
    }

    /// The account's alias.
    pub fn alias(&self, account: AccountId) -> Option<&str> {
        self.accounts.get(&account)?.0.alias.as_deref()
    }

    /// The account that has this alias.
    pub fn account_of_alias(&self, alias: &str) -> Option<AccountId> {
        let mut accounts = self.accounts.values();
        accounts
            .find(|(account, _)| account.alias.as_deref() == Some(alias))
            .map(|(account, _)| account.account)
    }

    /// How many users, groups and roles have each managed policy, and how many have it as their boundary.
    pub fn usage(&self, account: AccountId) -> HashMap<PolicyRef, Usage> {
        let users = self.users.of(account).map(|held| &held.value.permissions);
        let groups = self.groups.of(account).map(|held| &held.value.permissions);
        let roles = self.roles.of(account).map(|held| &held.value.permissions);
        let mut usage: HashMap<PolicyRef, Usage> = HashMap::new();
        for permissions in users.chain(groups).chain(roles) {
            for policy in &permissions.attached {
                usage.entry(policy.clone()).or_default().attached += 1;
            }
            if let Some(policy) = &permissions.boundary {
                usage.entry(policy.clone()).or_default().boundaries += 1;
            }
        }
        usage
    }
}

/// How often a managed policy is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// By users, groups and roles that have it.
    pub attached: i64,
    /// By users and roles that have it as their boundary.
    pub boundaries: i64,
}

/// An entity with a shelf of its own.
pub trait Shelved: Entity {
    /// Its shelf.
    fn shelf(state: &State) -> &Shelf<Self>;
    #[doc(hidden)]
    fn shelf_mut(state: &mut State) -> &mut Shelf<Self>;
    /// Its table.
    #[doc(hidden)]
    fn table(tables: &Tables) -> &Table<Self>;
    /// Keeps what is looked up by something other than the name.
    #[doc(hidden)]
    fn index(&self, _place: &Place, _state: &mut State) {}
    /// Undoes [`Shelved::index`].
    #[doc(hidden)]
    fn unindex(&self, _state: &mut State) {}
}

macro_rules! shelves {
    ($($type:ty: $field:ident { $($index:tt)* })*) => {$(
        impl Shelved for $type {
            fn shelf(state: &State) -> &Shelf<Self> {
                &state.$field
            }

            fn shelf_mut(state: &mut State) -> &mut Shelf<Self> {
                &mut state.$field
            }

            fn table(tables: &Tables) -> &Table<Self> {
                &tables.$field
            }

            $($index)*
        }
    )*};
}

shelves! {
    User: users {
        fn index(&self, place: &Place, state: &mut State) {
            state.keys.extend(self.keys.iter().map(|key| (key.id.clone(), place.clone())));
        }

        fn unindex(&self, state: &mut State) {
            self.keys.iter().for_each(|key| drop(state.keys.remove(&key.id)));
        }
    }
    Group: groups {
        fn index(&self, place: &Place, state: &mut State) {
            state.group_ids.insert(self.head.id.clone(), place.clone());
        }

        fn unindex(&self, state: &mut State) {
            state.group_ids.remove(&self.head.id);
        }
    }
    Role: roles {}
    Policy: policies {}
}

/// Where the records are.
pub struct Tables {
    store: Store,
    shard: Shard,
    users: Table<User>,
    groups: Table<Group>,
    roles: Table<Role>,
    policies: Table<Policy>,
    accounts: Table<Account>,
}

impl Tables {
    fn new(store: Store) -> Self {
        let shard = Shard::new(Keyspace::Metadata, "iam");
        Self {
            users: Table::new(store.clone(), shard.clone(), User::TABLE),
            groups: Table::new(store.clone(), shard.clone(), Group::TABLE),
            roles: Table::new(store.clone(), shard.clone(), Role::TABLE),
            policies: Table::new(store.clone(), shard.clone(), Policy::TABLE),
            accounts: Table::new(store.clone(), shard.clone(), "iam/account"),
            store,
            shard,
        }
    }
}

/// A change under way: what is to be written, and what will then be seen.
pub struct Edit<'a> {
    tables: &'a Tables,
    batch: Batch,
    effects: Vec<Effect>,
    failed: Option<RecordError>,
}

type Effect = Box<dyn FnOnce(&mut State, Revision) + Send>;

impl Edit<'_> {
    /// Writes an entity that must not be there yet.
    pub fn insert<T: Shelved>(&mut self, value: T) {
        self.write(value, Expect::Absent);
    }

    /// Writes an entity in the place of what it was, also under another name.
    pub fn replace<T: Shelved>(&mut self, before: &Held<T>, value: T) {
        let (from, to) = (place_of(&before.value), place_of(&value));
        if from == to {
            self.write(value, Expect::Revision(before.revision));
        } else {
            self.remove(before);
            self.write(value, Expect::Absent);
        }
    }

    /// Removes an entity.
    pub fn remove<T: Shelved>(&mut self, before: &Held<T>) {
        let place = place_of(&before.value);
        let key = T::table(self.tables).key(&[place.0.as_str(), &place.1]);
        let batch = std::mem::replace(&mut self.batch, Batch::new(self.tables.shard.clone()));
        self.batch = batch.expect(key.clone(), Expect::Revision(before.revision)).delete(key);
        self.effects.push(Box::new(move |state, _| {
            if let Some(held) = T::shelf_mut(state).0.remove(&place) {
                held.value.unindex(state);
            }
        }));
    }

    /// Sets or removes an account's alias.
    pub fn alias(&mut self, state: &State, account: AccountId, alias: Option<String>) {
        let table = &self.tables.accounts;
        let expect = state.accounts.get(&account).map(|(_, revision)| *revision).into();
        let value = Account { account, alias };
        let name = [account.as_str()];
        match table.encode(&name, &value) {
            Ok(bytes) => self.put(table.key(&name), bytes, expect),
            Err(error) => self.failed = Some(error),
        }
        self.effects.push(Box::new(move |state, revision| {
            state.accounts.insert(account, (value, revision));
        }));
    }

    fn write<T: Shelved>(&mut self, value: T, expect: Expect) {
        let place = place_of(&value);
        let name = [place.0.as_str(), &place.1];
        let table = T::table(self.tables);
        match table.encode(&name, &value) {
            Ok(bytes) => self.put(table.key(&name), bytes, expect),
            Err(error) => self.failed = Some(error),
        }
        self.effects.push(Box::new(move |state, revision| install(state, place, Held::new(value, revision))));
    }

    fn put(&mut self, key: hearth_store::Key, bytes: bytes::Bytes, expect: Expect) {
        let batch = std::mem::replace(&mut self.batch, Batch::new(self.tables.shard.clone()));
        self.batch = batch.expect(key.clone(), expect).put(key, bytes);
    }
}

fn place_of<T: Entity>(value: &T) -> Place {
    let head = value.head();
    place(head.account, &head.name)
}

fn install<T: Shelved>(state: &mut State, place: Place, held: Held<T>) {
    if let Some(before) = T::shelf_mut(state).0.remove(&place) {
        before.value.unindex(state);
    }
    held.value.index(&place, state);
    T::shelf_mut(state).0.insert(place, Arc::new(held));
}

/// The directory. It is empty and takes no change until [`Directory::open`] gives it a store.
#[derive(Default)]
pub struct Directory {
    state: RwLock<State>,
    /// Held during a change, so that what was checked still holds when it is committed.
    tables: tokio::sync::Mutex<Option<Tables>>,
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Directory")
    }
}

impl Directory {
    /// Reads everything of a store and forgets what was there before.
    ///
    /// # Errors
    /// When the store cannot be read, or a record of it.
    pub async fn open(&self, store: Store) -> Result<(), RecordError> {
        let mut place = self.tables.lock().await;
        let tables = Tables::new(store);
        let mut state = State::default();
        load(&tables.users, &mut state).await?;
        load(&tables.groups, &mut state).await?;
        load(&tables.roles, &mut state).await?;
        load(&tables.policies, &mut state).await?;
        each(&tables.accounts, |value, revision| {
            state.accounts.insert(value.account, (value, revision));
        })
        .await?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        *place = Some(tables);
        Ok(())
    }

    /// Looks at what is there.
    pub fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what is there: `change` checks and says what is to be written, and nothing is written when it refuses.
    pub async fn change<R>(
        &self,
        change: impl FnOnce(&State, &mut Edit<'_>) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let tables = self.tables.lock().await;
        let tables = tables.as_ref().ok_or_else(|| unavailable(&"no store was opened"))?;
        let batch = Batch::new(tables.shard.clone());
        let mut edit = Edit { tables, batch, effects: Vec::new(), failed: None };
        let answer = self.read(|state| change(state, &mut edit))?;
        let Edit { batch, effects, failed, .. } = edit;
        if let Some(error) = failed {
            return Err(unavailable(&error));
        }
        if effects.is_empty() {
            return Ok(answer);
        }
        let sequence = tables.store.commit(batch).await.map_err(|error| match error {
            CommitError::Conflict { .. } => errors::concurrent_modification(
                "The request was rejected because multiple requests to change this object were submitted \
                 simultaneously. Wait a few minutes and submit your request again.",
            ),
            other => unavailable(&other),
        })?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        effects.into_iter().for_each(|effect| effect(&mut state, sequence.into()));
        state.generation += 1;
        Ok(answer)
    }
}

/// What went wrong stays in the server's log.
fn unavailable(error: &dyn fmt::Display) -> Failure {
    tracing::error!(%error, "IAM storage failed");
    errors::service_failure(
        "The request processing has failed because of an unknown error, exception or failure.",
    )
}

async fn load<T: Shelved>(table: &Table<T>, state: &mut State) -> Result<(), RecordError> {
    each(table, |value: T, revision| install(state, place_of(&value), Held::new(value, revision))).await
}

async fn each<T: hearth_store::Model>(
    table: &Table<T>,
    mut take: impl FnMut(T, Revision),
) -> Result<(), RecordError> {
    let mut token = None;
    loop {
        let listing =
            Listing { within: &[], beginning: "", limit: 1_000, token: token.as_deref(), reverse: false };
        let page = table.list(listing).await?;
        page.records.into_iter().for_each(|(_, record)| take(record.value, record.revision));
        token = page.next;
        if token.is_none() {
            return Ok(());
        }
    }
}
