//! Where settings come from: flags win over the environment, that over the file, that over the defaults.
//!
//! A name that nobody knows is an error that names it and the nearest one that is known: a setting that was
//! misspelt must not leave a server as it would be without.

use super::Config;
use super::given::Given;
use super::table::{Draft, KEYS, Key};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Environment variables of settings begin so: `NIGH__LISTEN__GRPC` is `listen.grpc`.
pub const ENVIRONMENT: &str = "NIGH__";
/// A configuration file has at most this many bytes, and so has one of a secret.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// A secret that is read from a file is named so.
const FROM_FILE: &str = "_file";

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such setting.
    #[error("{source_}: there is no setting `{name}`; the nearest is `{nearest}`")]
    Unknown {
        /// As it was given.
        name: String,
        /// The known one that looks most like it.
        nearest: &'static str,
        /// Who gave it.
        source_: Source,
    },
    /// A value that a setting cannot have.
    #[error("{source_}: {name} is {value}; {limit}")]
    Value {
        /// The setting.
        name: String,
        /// As it was given.
        value: String,
        /// How it would be right.
        limit: String,
        /// Who gave it.
        source_: Source,
    },
    /// Settings that make no sense together.
    #[error("{0}")]
    Together(String),
    /// A file that cannot be read.
    #[error("could not read {}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Who gave a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// Nobody.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A setting as it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Its value as TOML writes it; `None` where it is not set.
    pub value: Option<String>,
    /// What holds where it is not set.
    pub otherwise: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// Who gave it.
    pub source: Source,
}

/// Everything that was given.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// The environment: names and values; those that begin otherwise are passed over.
    pub environment: Vec<(String, String)>,
    /// Flags: which setting, its value, and the flag's name.
    pub flags: Vec<(String, String, String)>,
}

impl Layers {
    /// A server's configuration, and where every part of it comes from.
    pub fn read(&self) -> Result<(Config, Vec<Setting>), Error> {
        let (mut draft, mut sources) = (Draft::default(), BTreeMap::new());
        let mut set = |name: &str, given: Given, source: Source| -> Result<(), Error> {
            let (key, given) = known(name, given, &source)?;
            (key.set)(&mut draft, &given).map_err(|limit| {
                // What is wrong with a key is in the reason.
                let secret = key.secret || key.name == "security.keys";
                let value = if secret { "not right".to_owned() } else { given.shown() };
                Error::Value { name: key.name.to_owned(), value, limit, source_: source.clone() }
            })?;
            sources.insert(key.name, source);
            Ok(())
        };
        if let Some(path) = &self.file {
            for (name, value) in flat(table(path)?) {
                set(&name, Given::Value(value), Source::File(path.clone()))?;
            }
        }
        for (name, value) in &self.environment {
            if let Some(rest) = name.strip_prefix(ENVIRONMENT) {
                let setting = rest.to_ascii_lowercase().replace("__", ".");
                set(&setting, Given::Text(value.clone()), Source::Environment(name.clone()))?;
            }
        }
        for (setting, value, flag) in &self.flags {
            set(setting, Given::Text(value.clone()), Source::Flag(flag.clone()))?;
        }
        let settings = KEYS.iter().map(|key| {
            let value = (key.show)(&draft).map(|value| if key.secret { "\"***\"".to_owned() } else { value });
            let source = sources.remove(key.name).unwrap_or(Source::Default);
            Setting { name: key.name, value, otherwise: key.otherwise, help: key.help, source }
        });
        let settings = settings.collect();
        Ok((draft.finish().map_err(Error::Together)?, settings))
    }
}

/// The setting of this name, and its value, which may lie in a file of its own.
fn known(name: &str, given: Given, source: &Source) -> Result<(&'static Key, Given), Error> {
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return Ok((key, given));
    }
    let secret = name.strip_suffix(FROM_FILE).and_then(|base| KEYS.iter().find(|key| key.secret && key.name == base));
    if let Some(key) = secret {
        let wrong =
            |limit| Error::Value { name: name.to_owned(), value: given.shown(), limit, source_: source.clone() };
        let path = given.path().map_err(wrong)?;
        return Ok((key, Given::Text(text(&path)?.trim_end_matches(['\n', '\r']).to_owned())));
    }
    let nearest = KEYS.iter().map(|key| key.name).min_by_key(|key| strsim::levenshtein(key, name)).unwrap_or_default();
    Err(Error::Unknown { name: name.to_owned(), nearest, source_: source.clone() })
}

/// A small text file.
pub(crate) fn text(path: &Path) -> Result<String, Error> {
    let failed = |why: String| Error::File { path: path.to_owned(), why };
    let bytes = fs::metadata(path).map_err(|err| failed(err.to_string()))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(failed(format!("it has {bytes} bytes, at most {FILE_BYTES_MAX}")));
    }
    fs::read_to_string(path).map_err(|err| failed(err.to_string()))
}

fn table(path: &Path) -> Result<Table, Error> {
    let failed = |err: toml::de::Error| Error::File { path: path.to_owned(), why: err.to_string() };
    toml::from_str(&text(path)?).map_err(failed)
}

/// Values by their whole names: `[a] b = 1` is `a.b`. A table that is a setting itself stays one.
fn flat(table: Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut open: Vec<(String, Table)> = vec![(String::new(), table)];
    while let Some((prefix, table)) = open.pop() {
        for (name, value) in table {
            let name = format!("{prefix}{name}");
            match value {
                Value::Table(inner) if !inner.is_empty() && !KEYS.iter().any(|key| key.name == name) => {
                    open.push((name + ".", inner));
                }
                Value::Table(inner) if inner.is_empty() && is_section(&name) => {}
                value => found.push((name, value)),
            }
        }
    }
    found
}

fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> (tempfile::TempDir, Layers) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nigh.toml");
        fs::write(&path, file).unwrap();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = environment.iter().map(own).collect();
        let flags = flags.iter().map(own).map(|(name, value)| (name.clone(), value, format!("--{name}"))).collect();
        (folder, Layers { file: Some(path), environment, flags })
    }

    fn refused(file: &str, environment: &[(&str, &str)]) -> String {
        layers(file, environment, &[]).1.read().unwrap_err().to_string()
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let file = "[limits]\nhits_max = 1\noffset_max = 1\nef_max = 1\n[backup.targets]\nshelf = '/shelf'";
        let environment = [("NIGH__LIMITS__HITS_MAX", "2"), ("NIGH__LIMITS__OFFSET_MAX", "2"), ("HOME", "x")];
        let (_folder, layers) = layers(file, &environment, &[("limits.hits_max", "3")]);
        let (config, settings) = layers.read().unwrap();
        let limits = &config.limits;
        assert_eq!((limits.hits_max, limits.offset_max, limits.ef_max, limits.retrievers_max), (3, 2, 1, 16));
        assert_eq!(config.backup_targets, [("shelf".to_owned(), "/shelf".to_owned())]);
        let source = |name| settings.iter().find(|setting| setting.name == name).unwrap().source.to_string();
        assert_eq!(source("limits.hits_max"), "--limits.hits_max");
        assert_eq!(source("limits.offset_max"), "NIGH__LIMITS__OFFSET_MAX");
        assert!(source("limits.ef_max").ends_with("nigh.toml"));
        assert_eq!(source("limits.retrievers_max"), "default");
    }

    #[test]
    fn what_is_misspelt_is_named_with_the_nearest_that_is_known() {
        let said = refused("[limits]\nhit_max = 1", &[]);
        assert!(said.contains("`limits.hit_max`") && said.contains("`limits.hits_max`"), "{said}");
        let said = refused("", &[("NIGH__LISTEN__GRCP", "x")]);
        assert!(said.contains("NIGH__LISTEN__GRCP") && said.contains("`listen.grpc`"), "{said}");
        assert!(refused("[limit]", &[]).contains("`limit`"));
        assert!(refused("listen = 7", &[]).contains("`listen`"));
    }

    #[test]
    fn a_wrong_value_is_named_with_its_setting_and_its_source() {
        let said = refused("[limits]\nhits_max = 0", &[]);
        assert!(said.contains("nigh.toml") && said.contains("limits.hits_max is 0; it is a whole number"), "{said}");
        assert!(refused("", &[("NIGH__LISTEN__GRPC", "here")]).contains("listen.grpc is `here`"));
        assert!(refused("[archive]\ntarget = 'shelf'", &[]).contains("archive.target is `shelf`"));
        assert!(refused("limits = [", &[]).contains("could not read"));
    }

    #[test]
    fn secrets_come_from_files_and_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (key, secret) = (folder.path().join("key"), folder.path().join("secret"));
        fs::write(&key, "a-key-of-somebody\n").unwrap();
        fs::write(&secret, "0123456789abcdef0123456789abcdef\n").unwrap();
        let file = format!("[security]\nadmin_key_file = '{}'", key.display());
        let from = secret.display().to_string();
        let (_folder, given) = layers(&file, &[("NIGH__SECURITY__JWT_SECRET_FILE", &from)], &[]);
        let (config, settings) = given.read().unwrap();
        assert_eq!(config.security.keys[0].hash, crate::access::keys::KeyHash::of("a-key-of-somebody"));
        assert_eq!(config.security.jwt_secret.unwrap().0, b"0123456789abcdef0123456789abcdef");
        let shown = format!("{settings:?}");
        assert!(!shown.contains("somebody") && !shown.contains("sha256") && !shown.contains("abcdef"), "{shown}");
        let said = refused("[security]\nadmin_key = 'short'", &[]);
        assert!(said.contains("security.admin_key") && !said.contains("`short`"), "{said}");
        let said = refused("[tls]\ncert_file = 'x'", &[]);
        assert!(said.contains("belong together"), "{said}");
    }

    #[test]
    fn what_is_shown_is_a_file_that_says_the_same() {
        let file = "[backup.targets]\nshelf = '/a \"b\"'\n[archive]\ntarget = 'shelf'\n[memory]\nlimit_mib = 64";
        let (folder, first) = layers(file, &[], &[]);
        let (_, settings) = first.read().unwrap();
        let shown: String = settings
            .iter()
            .filter_map(|setting| Some(format!("{} = {}\n", setting.name, setting.value.as_ref()?)))
            .collect();
        fs::write(folder.path().join("nigh.toml"), shown).unwrap();
        let again: Vec<_> = first.read().unwrap().1.into_iter().map(|setting| setting.value).collect();
        assert_eq!(again, settings.into_iter().map(|setting| setting.value).collect::<Vec<_>>());
    }
}
