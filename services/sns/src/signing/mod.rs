//! The signatures on what SNS sends, and the certificate that they are checked with.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>
//!
//! The key is made when the first signature is needed, and is kept with the service's records. It refuses to sign anything
//! that is no message of SNS: only [`Text`]s are signed.

mod certificate;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_base::Rng;
use hearth_store::records::RecordError;
use hearth_store::{Model, Table};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::signature::{SignatureEncoding as _, Signer as _};
use rsa::{PrivateKey, PublicKey};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// How the path of a certificate begins; after it come the digits that tell which one, and `.pem`.
pub const PATH: &str = "/SimpleNotificationService-";
/// AWS's keys have as many.
const KEY_BITS: usize = 2_048;
/// Signatures that are remembered: that of a message is the same for all its subscriptions.
const RECENT_MAX: usize = 1_024;
/// The name of the one record.
const RECORD: [&str; 1] = ["key"];

/// The key as it is stored, in Base64 of DER: PKCS #8, and X.509.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct KeyRecord {
    key: String,
    certificate: String,
}

impl Model for KeyRecord {
    const FORMAT: u32 = 1;
}

/// `SignatureVersion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// With SHA-1.
    One,
    /// With SHA-256.
    Two,
}

impl Version {
    /// Of the attribute of a topic.
    pub fn of(attribute: Option<&str>) -> Self {
        if attribute == Some("2") { Self::Two } else { Self::One }
    }

    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
        }
    }
}

/// What is signed of a message: the names and values of its members, in the order of the names.
#[derive(Default)]
pub struct Text(String);

impl Text {
    /// Adds a member.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        for part in [name, value] {
            self.0.push_str(part);
            self.0.push('\n');
        }
        self
    }
}

/// A signature, and where the certificate is.
pub struct Signature {
    pub value: String,
    /// Below the server's endpoint.
    pub certificate: String,
}

/// Signs.
pub struct Signer {
    table: Table<KeyRecord>,
    rng: Arc<dyn Rng>,
    key: OnceCell<Arc<Key>>,
    recent: Mutex<Recent>,
}

/// The key, ready for use.
struct Key {
    /// In constant time, and each signature checked before it is given away.
    sha1: SigningKey<Sha1>,
    /// The same key, to a library that takes a third of the time and knows nothing of SHA-1.
    sha256: KeyPair,
    path: String,
    pem: String,
}

/// The last signatures, by the hash of what they are of.
#[derive(Default)]
struct Recent {
    signatures: HashMap<[u8; 32], String>,
    order: VecDeque<[u8; 32]>,
}

/// Nothing could be signed.
#[derive(Debug)]
pub enum SigningError {
    /// The key could not be read or written.
    Store(RecordError),
    /// It could not be made or used.
    Key(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for SigningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(_) => f.write_str("the key that signs notifications cannot be read or written"),
            Self::Key(error) => write!(f, "the key that signs notifications cannot be made or used: {error}"),
        }
    }
}

impl std::error::Error for SigningError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Key(error) => Some(&**error),
        }
    }
}

fn unusable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SigningError {
    SigningError::Key(error.into())
}

impl Signer {
    /// Signs with the key in the table, which it makes when it is first needed.
    pub fn new(table: Table<KeyRecord>, rng: Arc<dyn Rng>) -> Self {
        Self { table, rng, key: OnceCell::new(), recent: Mutex::default() }
    }

    /// Signs a message.
    pub async fn sign(&self, text: Text, version: Version) -> Result<Signature, SigningError> {
        let key = Arc::clone(self.key().await?);
        let certificate = key.path.clone();
        let hash: [u8; 32] = Sha256::digest(format!("{}{}", version.as_str(), text.0)).into();
        if let Some(value) = self.recent().signatures.get(&hash).cloned() {
            return Ok(Signature { value, certificate });
        }
        let signing = move || key.sign(text.0.as_bytes(), version);
        let value = tokio::task::spawn_blocking(signing).await.map_err(unusable)??;
        self.recent().remember(hash, &value);
        Ok(Signature { value, certificate })
    }

    /// The certificate at a path, if it is there.
    pub async fn certificate(&self, path: &str) -> Result<Option<String>, SigningError> {
        // Asking for a certificate makes no key: nobody can know of one that is not there.
        if self.key.get().is_none() && self.stored().await?.is_none() {
            return Ok(None);
        }
        let key = self.key().await?;
        Ok((key.path == path).then(|| key.pem.clone()))
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn key(&self) -> Result<&Arc<Key>, SigningError> {
        self.key.get_or_try_init(|| self.load()).await
    }

    async fn stored(&self) -> Result<Option<KeyRecord>, SigningError> {
        let found = self.table.get(&RECORD).await.map_err(SigningError::Store)?;
        Ok(found.map(|found| found.value))
    }

    async fn load(&self) -> Result<Arc<Key>, SigningError> {
        let record = match self.stored().await? {
            Some(record) => record,
            None => {
                let rng = Arc::clone(&self.rng);
                let making = tokio::task::spawn_blocking(move || KeyRecord::make(&*rng));
                let record = making.await.map_err(unusable)??;
                // It is stored before anything is signed with it.
                self.table.insert(&RECORD, &record).await.map_err(SigningError::Store)?;
                record
            }
        };
        tokio::task::spawn_blocking(move || record.open().map(Arc::new)).await.map_err(unusable)?
    }
}

impl Recent {
    fn remember(&mut self, hash: [u8; 32], value: &str) {
        if self.signatures.insert(hash, value.to_owned()).is_none() {
            self.order.push_back(hash);
        }
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.signatures.remove(&oldest);
        }
    }
}

impl KeyRecord {
    /// Makes a key, and a certificate of it.
    pub fn make(rng: &dyn Rng) -> Result<Self, SigningError> {
        let private = PrivateKey::new(&mut Random(rng), KEY_BITS).map_err(unusable)?;
        let public = PublicKey::from(&private).to_public_key_der().map_err(unusable)?;
        let mut serial = [0; 16];
        rng.fill(&mut serial);
        let private = private.to_pkcs8_der().map_err(unusable)?;
        let key = KeyPair::from_pkcs8(private.as_bytes()).map_err(unusable)?;
        let certificate = certificate::make(public.as_bytes(), serial, |signed| sign(&key, signed))?;
        Ok(Self { key: STANDARD.encode(private.as_bytes()), certificate: STANDARD.encode(certificate) })
    }

    fn open(&self) -> Result<Key, SigningError> {
        let private = STANDARD.decode(&self.key).map_err(unusable)?;
        let certificate = STANDARD.decode(&self.certificate).map_err(unusable)?;
        let digits: String =
            Sha256::digest(&certificate)[..16].iter().map(|it| format!("{it:02x}")).collect();
        Ok(Key {
            sha1: SigningKey::new(PrivateKey::from_pkcs8_der(&private).map_err(unusable)?),
            sha256: KeyPair::from_pkcs8(&private).map_err(unusable)?,
            path: format!("{PATH}{digits}.pem"),
            pem: certificate::pem(&certificate),
        })
    }
}

impl Key {
    fn sign(&self, text: &[u8], version: Version) -> Result<String, SigningError> {
        let signature = match version {
            Version::One => self.sha1.try_sign(text).map_err(unusable)?.to_vec(),
            Version::Two => sign(&self.sha256, text)?,
        };
        Ok(STANDARD.encode(signature))
    }
}

/// Signs with SHA-256.
fn sign(key: &KeyPair, text: &[u8]) -> Result<Vec<u8>, SigningError> {
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).map_err(unusable)?;
    Ok(signature)
}

/// Our randomness, as the crate takes it.
struct Random<'a>(&'a dyn Rng);

impl TryRng for Random<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Random<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_base::{SystemClock, SystemRng};
    use hearth_store::memory::{self, Memory};
    use hearth_store::{Keyspace, Shard, Store};
    use rsa::pkcs1v15::{Signature as Signed, VerifyingKey};
    use rsa::signature::Verifier as _;

    fn signer(store: &Store) -> Signer {
        let shard = Shard::new(Keyspace::Queues, "sns");
        Signer::new(Table::new(Arc::clone(store), shard, "sns.signing"), Arc::new(SystemRng))
    }

    #[tokio::test]
    async fn a_key_is_made_once_and_signs_with_either_hash() {
        let store: Store = Arc::new(Memory::new(Arc::new(SystemClock), memory::Options::default()));
        let signer_of = || signer(&store);
        let first = signer_of();
        assert!(first.certificate("/SimpleNotificationService-0.pem").await.unwrap().is_none());
        assert!(first.stored().await.unwrap().is_none(), "asking makes no key");
        let text = || Text::default().with("Message", "m").with("Type", "Notification");
        let one = first.sign(text(), Version::One).await.unwrap();
        let two = first.sign(text(), Version::Two).await.unwrap();
        assert_ne!(one.value, two.value);
        let again = signer_of();
        assert_eq!(again.sign(text(), Version::One).await.unwrap().value, one.value);
        let pem = again.certificate(&one.certificate).await.unwrap().unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n"));
        let private = STANDARD.decode(again.stored().await.unwrap().unwrap().key).unwrap();
        let public = PublicKey::from(&PrivateKey::from_pkcs8_der(&private).unwrap());
        let signed = b"Message\nm\nType\nNotification\n";
        let value = |it: &Signature| Signed::try_from(&*STANDARD.decode(&it.value).unwrap()).unwrap();
        VerifyingKey::<Sha1>::new(public.clone()).verify(signed, &value(&one)).unwrap();
        VerifyingKey::<Sha256>::new(public).verify(signed, &value(&two)).unwrap();
    }

    #[test]
    fn only_so_many_signatures_are_remembered() {
        let mut recent = Recent::default();
        for number in 0..=RECENT_MAX {
            recent.remember(Sha256::digest(number.to_string()).into(), "s");
        }
        assert_eq!((recent.signatures.len(), recent.order.len()), (RECENT_MAX, RECENT_MAX));
    }
}
