//! Keys by their hashes, and who a credential is.
//!
//! A key is 32 random bytes, so one round of SHA-256 hides it: there is nothing to guess. Only the hash is kept, in memory
//! and in the configuration. What a caller presents is hashed and compared with every key in the same time, whichever it
//! is and whether it is one.

use super::jwt;
use super::rate::Rate;
use crate::engine::access::{Right, Scope};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// A key begins so: whoever finds one knows what it opens.
pub const PREFIX: &str = "nigh_";
/// A hash in a configuration begins so.
pub const HASH_PREFIX: &str = "sha256:";
/// A key that is written by hand has at least this many characters.
pub const KEY_CHARS_MIN: usize = 16;
/// A credential of a request has at most this many bytes.
const CREDENTIAL_BYTES_MAX: usize = 8 << 10;

/// The hash of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// Of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// As [`fmt::Display`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(HASH_PREFIX)?;
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut hash = [0; 32];
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HASH_PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(..)")
    }
}

/// A new key: 244 random bits of the operating system.
pub fn new_key() -> String {
    let mut key = PREFIX.to_owned();
    for _ in 0..2 {
        key += &Uuid::new_v4().simple().to_string();
    }
    key
}

/// A key as it is configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// Who has it; stands in the audit log.
    pub name: String,
    /// Its hash.
    pub hash: KeyHash,
    /// What its bearer may do.
    pub right: Right,
    /// To which collections; `None`: to all, and to the server as a whole.
    pub collections: Option<Vec<String>>,
    /// Calls a second, where they are fewer than those of all keys.
    pub calls_per_second: Option<u32>,
}

/// A secret: shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Who a caller is.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) name: Arc<str>,
    pub(crate) scope: Scope,
    pub(crate) rate: Arc<Rate>,
}

/// Everybody who is known.
#[derive(Debug)]
pub(crate) struct Keyring {
    keys: Vec<(KeyHash, Caller)>,
    jwt: Option<(Secret, Arc<Rate>)>,
    anonymous: Caller,
}

/// Why a credential is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unknown(pub(crate) String);

impl Keyring {
    /// Of these keys; `calls_per_second` and `calls_running` hold for each (0: no limit).
    pub(crate) fn new(keys: &[Key], secret: Option<&Secret>, calls_per_second: u32, calls_running: u32) -> Self {
        let rate = |of: u32| Arc::new(Rate::new(of, calls_running));
        let own = |key: &Key| {
            let scope = match &key.collections {
                None => Scope::All(key.right),
                Some(names) => {
                    let one = |name: &String| (name.clone(), key.right);
                    Scope::Collections(names.iter().map(one).collect::<BTreeMap<_, _>>())
                }
            };
            let rate = rate(key.calls_per_second.unwrap_or(calls_per_second));
            (key.hash.clone(), Caller { name: key.name.as_str().into(), scope, rate })
        };
        let anonymous = Caller { name: "anonymous".into(), scope: Scope::Nothing, rate: rate(0) };
        let keys: Vec<_> = keys.iter().map(own).collect();
        let jwt = secret.map(|secret| (secret.clone(), rate(calls_per_second)));
        let open = keys.is_empty() && jwt.is_none();
        let scope = if open { Scope::All(Right::Admin) } else { Scope::Nothing };
        Self { keys, jwt, anonymous: Caller { scope, ..anonymous } }
    }

    /// Whether callers have to say who they are.
    pub(crate) fn is_guarded(&self) -> bool {
        !self.keys.is_empty() || self.jwt.is_some()
    }

    /// Who comes without a key, or to a server that asks for none.
    pub(crate) fn anonymous(&self) -> Caller {
        self.anonymous.clone()
    }

    /// Whose credential this is.
    pub(crate) fn caller(&self, credential: &str) -> Result<Caller, Unknown> {
        if credential.len() > CREDENTIAL_BYTES_MAX {
            return Err(Unknown(format!("the key has {} bytes, at most {CREDENTIAL_BYTES_MAX}", credential.len())));
        }
        let hash = KeyHash::of(credential);
        let mut found = None;
        // All of them, so that the time says nothing.
        for (known, caller) in &self.keys {
            if bool::from(known.0.ct_eq(&hash.0)) {
                found = Some(caller);
            }
        }
        if let Some(caller) = found {
            return Ok(caller.clone());
        }
        match &self.jwt {
            Some((secret, rate)) if credential.matches('.').count() == 2 => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                let token =
                    jwt::verify(credential, &secret.0, now).map_err(|why| Unknown(format!("the token {why}")))?;
                Ok(Caller { name: token.name.into(), scope: token.scope, rate: rate.clone() })
            }
            _ => Err(Unknown("the key is not known".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_hash_alone() {
        let key = new_key();
        assert_eq!(key.len(), PREFIX.len() + 64);
        assert_ne!(key, new_key());
        let hash = KeyHash::of(&key);
        assert_eq!(KeyHash::parse(&hash.to_string()), Some(hash.clone()));
        for wrong in ["", "sha256:", "sha256:zz", &hash.to_string()[..70], &format!("{hash}0")] {
            assert_eq!(KeyHash::parse(wrong), None, "{wrong}");
        }
        let (name, right) = ("app".to_owned(), Right::Read);
        let known = Key { name, hash, right, collections: None, calls_per_second: None };
        assert!(!format!("{known:?}").contains(&known.hash.to_string()[7..]), "a hash is not printed");
        let ring = Keyring::new(&[known], None, 0, 0);
        assert_eq!(ring.caller(&key).unwrap().scope, Scope::All(Right::Read));
        for wrong in ["", &key[1..], &"x".repeat(100_000), "a.b.c"] {
            assert!(ring.caller(wrong).is_err());
        }
        assert_eq!(ring.anonymous().scope, Scope::Nothing);
    }

    #[test]
    fn without_keys_everybody_may_everything() {
        let ring = Keyring::new(&[], None, 0, 0);
        assert!(!ring.is_guarded());
        assert_eq!(ring.anonymous().scope, Scope::All(Right::Admin));
    }
}
