//! Keys and certificates as they stand in a configuration.

use super::Config;
use super::given::{Given, Read, quoted};
use super::layers::text;
use crate::access::jwt::SECRET_BYTES_MIN;
use crate::access::keys::{KEY_CHARS_MIN, Key, KeyHash, Secret};
use crate::engine::access::Right;
use crate::tls;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What only makes sense together with something else.
#[derive(Default)]
pub(super) struct Secure {
    pub(super) keys: Vec<Key>,
    pub(super) admin: Option<KeyHash>,
    pub(super) read: Option<KeyHash>,
    pub(super) cert: Option<PathBuf>,
    pub(super) cert_key: Option<PathBuf>,
    pub(super) client_ca: Option<PathBuf>,
}

/// Keys, at the most: every one is compared with what a caller presents.
const KEYS_MAX: usize = 1000;
/// Collections of one key.
const COLLECTIONS_MAX: usize = 1000;
const ROLES: [(&str, Right); 3] = [("read", Right::Read), ("write", Right::Write), ("admin", Right::Admin)];
const FIELDS: [&str; 6] = ["name", "hash", "key_file", "role", "collections", "calls_per_second"];

impl Secure {
    /// Completes the configuration.
    pub(super) fn finish(self, config: &mut Config) -> Result<(), String> {
        let whole = |name: &str, hash, right| Key {
            name: name.to_owned(),
            hash,
            right,
            collections: None,
            calls_per_second: None,
        };
        let mut keys = self.keys;
        keys.extend(self.admin.map(|hash| whole("admin", hash, Right::Admin)));
        keys.extend(self.read.map(|hash| whole("read", hash, Right::Read)));
        for (at, key) in keys.iter().enumerate() {
            if let Some(other) = keys[..at].iter().find(|other| other.name == key.name || other.hash == key.hash) {
                return Err(format!("security.keys: `{}` and `{}` are one name or one key", other.name, key.name));
            }
        }
        config.security.keys = keys;
        config.tls = match (self.cert, self.cert_key) {
            (Some(cert), Some(key)) => Some(tls::Files { cert, key, client_ca: self.client_ca }),
            (None, None) if self.client_ca.is_none() => None,
            _ => return Err("tls.cert_file and tls.key_file belong together".to_owned()),
        };
        Ok(())
    }
}

/// The hash of a key that is given itself.
pub(super) fn hash(given: &Given) -> Read<KeyHash> {
    let key = given.text()?;
    match key.len() < KEY_CHARS_MIN || key.chars().any(char::is_whitespace) {
        true => Err(format!("a key has at least {KEY_CHARS_MIN} characters and no space; `nigh key new` makes one")),
        false => Ok(KeyHash::of(&key)),
    }
}

/// A secret that tokens are signed with.
pub(super) fn secret(given: &Given) -> Read<Secret> {
    let text = given.text()?;
    match text.len() < SECRET_BYTES_MIN {
        true => Err(format!("it has at least {SECRET_BYTES_MIN} bytes")),
        false => Ok(Secret(text.into_bytes())),
    }
}

/// Keys as tables.
pub(super) fn keys(given: &Given) -> Read<Vec<Key>> {
    let Given::Value(Value::Array(tables)) = given else {
        return Err("it is a list of tables, [[security.keys]], in a file".to_owned());
    };
    if tables.len() > KEYS_MAX {
        return Err(format!("there are at most {KEYS_MAX}"));
    }
    let of = |(at, value): (usize, &Value)| {
        let table = value.as_table().ok_or_else(|| format!("entry {at} is no table"))?;
        key(table).map_err(|why| {
            let name = table.get("name").and_then(Value::as_str).unwrap_or_default();
            format!("entry {at} (`{name}`): {why}")
        })
    };
    tables.iter().enumerate().map(of).collect()
}

fn key(table: &Table) -> Read<Key> {
    if let Some(unknown) = table.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let nearest =
            FIELDS.iter().min_by_key(|field| strsim::levenshtein(field, unknown)).copied().unwrap_or_default();
        return Err(format!("there is no `{unknown}`; the nearest is `{nearest}`"));
    }
    let field = |name: &str| table.get(name).cloned().map(Given::Value);
    let name = field("name").ok_or("it has no `name`")?.text().map_err(|why| format!("name: {why}"))?;
    let hash = match (field("hash"), field("key_file")) {
        (Some(given), None) => {
            let wrong = "hash is `sha256:` and 64 digits, as `nigh key new` prints it";
            KeyHash::parse(&given.text().map_err(|_| wrong)?).ok_or(wrong)?
        }
        (None, Some(given)) => from_file(&given.path().map_err(|why| format!("key_file: {why}"))?)?,
        _ => return Err("it has one of `hash` and `key_file`".to_owned()),
    };
    let role = field("role").ok_or("it has no `role`")?;
    let right = role.one_of(&ROLES).map_err(|why| format!("role is {}; {why}", role.shown()))?;
    let collections = table.get("collections").map(names).transpose()?;
    let calls_per_second = field("calls_per_second").map(|given| given.number(1..=u64::from(u32::MAX))).transpose();
    let calls_per_second = calls_per_second.map_err(|why| format!("calls_per_second: {why}"))?;
    Ok(Key { name, hash, right, collections, calls_per_second })
}

fn from_file(path: &Path) -> Read<KeyHash> {
    hash(&Given::Text(text(path).map_err(|err| err.to_string())?.trim().to_owned()))
}

fn names(value: &Value) -> Read<Vec<String>> {
    let wrong = || format!("collections is a list of 1 to {COLLECTIONS_MAX} names; left out: all");
    let list = value.as_array().filter(|list| (1..=COLLECTIONS_MAX).contains(&list.len())).ok_or_else(wrong)?;
    let name = |one: &Value| one.as_str().filter(|name| !name.is_empty()).map(str::to_owned).ok_or_else(wrong);
    list.iter().map(name).collect()
}

/// Keys as TOML, without what opens anything.
pub(super) fn shown(keys: &[Key]) -> Option<String> {
    let one = |key: &Key| {
        let role = ROLES.iter().find(|(_, right)| *right == key.right).map_or("", |(role, _)| role);
        let mut text = format!("{{ name = {}, hash = \"***\", role = \"{role}\"", quoted(&key.name));
        if let Some(names) = &key.collections {
            let names: Vec<_> = names.iter().map(quoted).collect();
            text += &format!(", collections = [{}]", names.join(", "));
        }
        if let Some(most) = key.calls_per_second {
            text += &format!(", calls_per_second = {most}");
        }
        text + " }"
    };
    let all: Vec<_> = keys.iter().map(one).collect();
    (!all.is_empty()).then(|| format!("[{}]", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Given {
        let table: Table = toml::from_str(text).unwrap();
        Given::Value(table["keys"].clone())
    }

    #[test]
    fn keys_are_read_with_their_roles_and_collections() {
        let hash = KeyHash::of("a long random key of somebody");
        let text = format!(
            "[[keys]]\nname = 'app'\nhash = '{hash}'\nrole = 'write'\ncollections = ['docs']\ncalls_per_second = 5"
        );
        let keys = keys(&given(&text)).unwrap();
        let (name, collections) = ("app".to_owned(), Some(vec!["docs".to_owned()]));
        assert_eq!(
            keys,
            [Key { name, hash: hash.clone(), right: Right::Write, collections, calls_per_second: Some(5) }]
        );
        let shown = shown(&keys).unwrap();
        assert!(!shown.contains(&hash.to_string()) && shown.contains("docs"), "{shown}");
        toml::from_str::<Table>(&format!("keys = {shown}")).unwrap();
    }

    #[test]
    fn what_is_wrong_with_a_key_is_told_by_its_name() {
        let hash = KeyHash::of("a long random key of somebody");
        let good = format!("hash = '{hash}'");
        for (fields, why) in [
            (format!("{good}\nrol = 'read'"), "`role`"),
            (good.clone(), "no `role`"),
            (format!("{good}\nrole = 'root'"), "one of read, write, admin"),
            ("role = 'read'".to_owned(), "one of `hash` and `key_file`"),
            ("role = 'read'\nhash = 'secret'".to_owned(), "sha256:"),
            ("role = 'read'\nkey_file = '/nowhere/at/all'".to_owned(), "could not read"),
            (format!("{good}\nrole = 'read'\ncollections = []"), "1 to 1000 names"),
        ] {
            let said = keys(&given(&format!("[[keys]]\nname = 'app'\n{fields}"))).unwrap_err();
            assert!(said.contains("`app`") && said.contains(why), "{fields}: {said}");
            assert!(!said.contains("secret"), "{said}");
        }
    }
}
