//! The concurrency of accounts and functions, told to the data plane whenever a function changes.
//!
//! It refuses to count what runs: that is the data plane's, through the meter that each function has.

use crate::DataPlane;
use crate::model::Function;
use crate::naming::FunctionKey;
use crate::registry::Entry;
use hearth_base::{AccountId, Clock, Qualifier, Region};
use hearth_environment::{Account, Meter};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Of an account's concurrency, this stays for functions that have reserved none.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>
const UNRESERVED_MIN: u64 = 100;

/// All accounts' concurrency.
pub(crate) struct Capacities {
    data_plane: Arc<dyn DataPlane>,
    clock: Arc<dyn Clock>,
    /// Of each account and region.
    limit: u32,
    accounts: Mutex<HashMap<(AccountId, Region), Arc<Account>>>,
    /// Held while a claim is weighed against the account's others and stored.
    pub(crate) claiming: tokio::sync::Mutex<()>,
}

impl Capacities {
    pub(crate) fn new(data_plane: Arc<dyn DataPlane>, clock: Arc<dyn Clock>, limit: u32) -> Self {
        let accounts = Mutex::new(HashMap::new());
        Self { data_plane, clock, limit, accounts, claiming: tokio::sync::Mutex::new(()) }
    }

    /// The concurrency of an account in a region.
    pub(crate) fn account(&self, account: AccountId, region: &Region) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        // Accounts without functions are forgotten when others are asked for.
        accounts.retain(|_, account| Arc::strong_count(account) > 1);
        let new = || Account::new(self.limit, Arc::clone(&self.clock));
        Arc::clone(accounts.entry((account, region.clone())).or_insert_with(new))
    }

    /// The meter of a function: the one it had, as long as it is the same function.
    pub(crate) fn meter(&self, key: &FunctionKey, before: Option<&Entry>) -> Arc<Meter> {
        match before {
            Some(before) => Arc::clone(&before.meter),
            None => Meter::new(self.account(key.account, &key.region)),
        }
    }

    /// What a function may run is from now on what `after` says.
    pub(crate) fn allow(&self, before: Option<&Entry>, after: &Entry) {
        let allowance = after.function().allowance();
        let former = before.map(|entry| entry.function().allowance()).unwrap_or_default();
        if allowance != former {
            after.meter.allow(&allowance);
        }
    }

    /// What is provisioned for a function is from now on what `after` says. A version that is not deployed yet gets its
    /// environments when it is.
    pub(crate) fn provision(&self, before: Option<&Entry>, after: &Entry) {
        let allowance = after.function().allowance();
        let former = before.map(|entry| entry.function().allowance()).unwrap_or_default();
        for (version, _) in &former.provisioned {
            let definition = before.and_then(|entry| entry.serving.get(&Qualifier::parse(version)?));
            if !allowance.provisioned.iter().any(|(kept, _)| kept == version)
                && let Some(definition) = definition
            {
                self.data_plane.provision(definition, 0);
            }
        }
        for (version, count) in &allowance.provisioned {
            let definition = Qualifier::parse(version).and_then(|version| after.serving.get(&version));
            if let Some(definition) = definition {
                self.data_plane.provision(definition, *count);
            }
        }
    }
}

/// Whether an account has room for a function's new claim beside those of its other functions.
pub(crate) fn has_room(account: &Account, function: &Function, claim: u64) -> bool {
    let others = account.claimed().saturating_sub(function.allowance().claim());
    others + claim + unreserved_min(account) <= account.limit()
}

/// What of an account's concurrency cannot be claimed.
pub(crate) fn unreserved_min(account: &Account) -> u64 {
    // AWS: accounts of less have all of it as their minimum.
    UNRESERVED_MIN.min(account.limit())
}
