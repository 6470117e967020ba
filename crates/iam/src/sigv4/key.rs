//! Signing keys: derived from a secret for one day, region and service, and kept for a while.

use super::Scope;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Keys held in each of the two generations. A key with its scope and secret takes about 250 bytes.
const GENERATION_MAX: usize = 512;

/// HMAC-SHA256 of `parts`, one after the other.
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// A key that signs for one scope.
#[derive(Clone, Copy)]
pub(crate) struct SigningKey([u8; 32]);

impl SigningKey {
    /// Derives the key: the day, the region, the service and the terminator, one HMAC each.
    pub(crate) fn derive(secret: &str, scope: &Scope) -> Self {
        let day = hmac(format!("AWS4{secret}").as_bytes(), &[scope.date.as_bytes()]);
        let region = hmac(&day, &[scope.region.as_bytes()]);
        let service = hmac(&region, &[scope.service.as_bytes()]);
        Self(hmac(&service, &[b"aws4_request"]))
    }

    pub(crate) fn sign(&self, string_to_sign: &str) -> [u8; 32] {
        hmac(&self.0, &[string_to_sign.as_bytes()])
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// The keys used of late. When the young generation is full it becomes the old one, and the old one is dropped:
/// a key in use survives, and the whole has a bound without a list of who was used when.
#[derive(Debug, Default)]
pub(crate) struct SigningKeys(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Scope, Held>,
    old: HashMap<Scope, Held>,
}

/// A key and the secret it was derived from: a key id may be given another secret.
#[derive(Clone)]
struct Held {
    secret: Box<str>,
    key: SigningKey,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

impl SigningKeys {
    /// The key for a scope, derived if it is not at hand.
    pub(crate) fn get(&self, secret: &str, scope: &Scope) -> SigningKey {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |held: &&Held| *held.secret == *secret;
        if let Some(held) = generations.young.get(scope).filter(fits) {
            return held.key;
        }
        let held = generations
            .old
            .get(scope)
            .filter(fits)
            .cloned()
            .unwrap_or_else(|| Held { secret: secret.into(), key: SigningKey::derive(secret, scope) });
        let key = held.key;
        if generations.young.len() >= GENERATION_MAX {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(scope.clone(), held);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(service: &str) -> Scope {
        Scope {
            access_key_id: "AKIDEXAMPLE".into(),
            date: "20150830".into(),
            region: "us-east-1".into(),
            service: service.into(),
        }
    }

    #[test]
    fn a_derived_key_is_the_one_aws_documents() {
        let key = SigningKey::derive("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", &scope("iam"));
        assert_eq!(
            super::super::hex(&key.0),
            "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
        );
    }

    #[test]
    fn the_cache_is_bounded_and_never_mixes_secrets() {
        let keys = SigningKeys::default();
        for number in 0..3 * GENERATION_MAX {
            keys.get("secret", &scope(&number.to_string()));
        }
        let held = keys.0.lock().unwrap();
        assert!(held.young.len() + held.old.len() <= 2 * GENERATION_MAX);
        drop(held);
        assert_ne!(keys.get("one", &scope("iam")).0, keys.get("two", &scope("iam")).0);
    }
}
