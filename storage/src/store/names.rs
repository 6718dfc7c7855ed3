//! The catalog: which collections there are, under which other names, and what is noted beside them.
//!
//! ```text
//! CATALOG   a frame around JSON: {"collections": {name: folder}, "aliases": {alias: name}, "notes": {name: text}}
//! ```
//!
//! It is replaced whole, so several aliases change together or not at all: that is how a new collection takes the
//! place of an old one without a moment in between.

use super::Store;
use crate::disk::Disk;
use crate::error::{Error, Result, doing};
use crate::frame::{self, Kind};
use crate::recover;
use crate::schema::check_name;
use crate::space;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use uuid::Uuid;

/// There are at most this many aliases.
pub const ALIASES_MAX: usize = 10_000;
/// A note has at most this many bytes.
pub const NOTE_BYTES_MAX: usize = 64 << 10;

/// What the catalog file says.
#[derive(Clone, Serialize, Deserialize, Default)]
pub(crate) struct Catalog {
    pub(crate) collections: BTreeMap<String, Uuid>,
    #[serde(flatten)]
    pub(crate) names: Names,
}

/// What the catalog says beside the collections themselves.
#[derive(Clone, Serialize, Deserialize, Default)]
pub(crate) struct Names {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    aliases: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    notes: BTreeMap<String, String>,
}

impl Names {
    /// The collection that a name stands for.
    pub(super) fn resolve<'n>(&'n self, name: &'n str) -> &'n str {
        self.aliases.get(name).map_or(name, |collection| collection)
    }

    /// From now on this is noted beside a collection; nothing where it is empty.
    pub(super) fn put_note(&mut self, collection: &str, note: String) {
        match note.is_empty() {
            true => drop(self.notes.remove(collection)),
            false => drop(self.notes.insert(collection.to_owned(), note)),
        }
    }

    /// What is left when a collection is gone.
    pub(super) fn forget(&mut self, collection: &str) {
        self.aliases.retain(|_, of| of != collection);
        self.notes.remove(collection);
    }
}

/// A change of one alias.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AliasChange {
    /// From now on the alias stands for this collection, whatever it stood for before.
    Set {
        /// The other name.
        alias: String,
        /// What it stands for.
        collection: String,
    },
    /// The alias is gone; it may not have been there.
    Delete {
        /// The other name.
        alias: String,
    },
    /// The alias has a new name.
    Rename {
        /// The name until now.
        from: String,
        /// The name from now on.
        to: String,
    },
}

impl Store {
    /// Every alias, with the collection that it stands for.
    pub fn aliases(&self) -> BTreeMap<String, String> {
        self.names.read().aliases.clone()
    }

    /// The collection that an alias stands for.
    pub fn stands_for(&self, alias: &str) -> Option<String> {
        self.names.read().aliases.get(alias).cloned()
    }

    /// Changes aliases, one after another in one step: all of it holds or nothing does.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] for a collection or an alias that is not there, [`Error::Taken`] for an alias that is the
    /// name of a collection.
    pub fn change_aliases(&self, changes: &[AliasChange]) -> Result<()> {
        let _changing = self.changing.lock();
        let mut catalog = self.catalog();
        for change in changes {
            apply(&mut catalog, change)?;
        }
        if catalog.names.aliases.len() > ALIASES_MAX {
            let (got, limit) = (catalog.names.aliases.len() as u64, ALIASES_MAX as u64);
            return Err(Error::Full { what: "the catalog (aliases)", got, limit, retry_ms: 1000 });
        }
        self.save(&catalog)?;
        *self.names.write() = catalog.names;
        Ok(())
    }

    /// What somebody noted beside a collection.
    pub fn note(&self, collection: &str) -> Option<String> {
        let names = self.names.read();
        names.notes.get(names.resolve(collection)).cloned()
    }

    /// Notes something beside a collection, made of what was noted before; nobody else changes it meanwhile. The store
    /// does not look into it; it goes when the collection is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for more than [`NOTE_BYTES_MAX`]; [`Error::Missing`] where there is no such collection.
    pub fn change_note(&self, collection: &str, change: impl FnOnce(Option<&str>) -> String) -> Result<()> {
        let _changing = self.changing.lock();
        let mut catalog = self.catalog();
        let name = catalog.names.resolve(collection).to_owned();
        if !catalog.collections.contains_key(&name) {
            return Err(Error::Missing { what: "collection", name });
        }
        let note = change(catalog.names.notes.get(&name).map(String::as_str));
        if note.len() > NOTE_BYTES_MAX {
            let limit = format!("a note has at most {NOTE_BYTES_MAX}");
            return Err(Error::invalid("note", format!("{} bytes", note.len()), limit));
        }
        catalog.names.notes.insert(name, note);
        self.save(&catalog)?;
        *self.names.write() = catalog.names;
        Ok(())
    }

    pub(super) fn catalog(&self) -> Catalog {
        // One after the other: nobody who holds the one lock waits for the other.
        let names = self.names.read().clone();
        let collections = self.collections.read();
        Catalog { collections: collections.iter().map(|(name, slot)| (name.clone(), slot.folder)).collect(), names }
    }

    pub(super) fn save(&self, catalog: &Catalog) -> Result<()> {
        frame::replace(&*self.disk, &self.root.join("CATALOG"), Kind::Catalog, &catalog.body())
            .map_err(|err| space::explained(&*self.disk, err))
    }
}

fn apply(catalog: &mut Catalog, change: &AliasChange) -> Result<()> {
    let Catalog { collections, names } = catalog;
    let missing = |what, name: &String| Err(Error::Missing { what, name: super::shortened(name) });
    let free = |name: &String| match collections.contains_key(name) {
        true => Err(Error::Taken { what: "collection", name: name.clone() }),
        false => check_name(name),
    };
    match change {
        AliasChange::Set { alias, collection } => {
            if !collections.contains_key(collection) {
                return missing("collection", collection);
            }
            free(alias)?;
            names.aliases.insert(alias.clone(), collection.clone());
        }
        AliasChange::Delete { alias } => drop(names.aliases.remove(alias)),
        AliasChange::Rename { from, to } => {
            free(to)?;
            let Some(collection) = names.aliases.remove(from) else { return missing("alias", from) };
            names.aliases.insert(to.clone(), collection);
        }
    }
    Ok(())
}

impl Catalog {
    pub(super) fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("names and UUIDs are JSON")
    }
}

pub(crate) fn load_catalog(disk: &dyn Disk, root: &Path) -> Result<Catalog> {
    let path = root.join("CATALOG");
    match disk.length(&path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            // A directory that lost its catalog is never taken for an empty one.
            let names = disk.list(root).map_err(doing("list", root))?;
            match names.iter().find(|name| Uuid::try_parse(name).is_ok_and(|_| held_writes(disk, root, name))) {
                None => Ok(Catalog::default()),
                Some(name) => {
                    Err(Error::corrupt(path, 0, format!("the catalog is missing, but there is a collection in {name}")))
                }
            }
        }
        Err(err) => Err(doing("read", &path)(err)),
        Ok(_) => {
            let body = frame::read_replaced(disk, &path, Kind::Catalog)?;
            serde_json::from_slice(&body).map_err(|err| Error::corrupt(path, 0, err.to_string()))
        }
    }
}

/// Whether a collection ever stood there: its manifest is written before the catalog names it.
fn held_writes(disk: &dyn Disk, root: &Path, folder: &str) -> bool {
    let log = recover::log_folder(&root.join(folder));
    // A folder that no write ever reached is a creation that was cut short.
    disk.list(&log).is_ok_and(|files| !files.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::cruel::CruelDisk;
    use crate::schema::CollectionSpec;
    use crate::store::Options;
    use std::sync::Arc;

    fn open(disk: &Arc<CruelDisk>) -> Arc<Store> {
        let options = Options { background: false, ..Options::default() };
        Store::open(disk.clone(), Path::new("/data"), options).unwrap()
    }

    fn set(alias: &str, collection: &str) -> AliasChange {
        AliasChange::Set { alias: alias.into(), collection: collection.into() }
    }

    fn rename(from: &str, to: &str) -> AliasChange {
        AliasChange::Rename { from: from.into(), to: to.into() }
    }

    fn id(store: &Store, name: &str) -> Uuid {
        store.collection(name).unwrap().id()
    }

    #[test]
    fn an_alias_stands_for_a_collection_until_it_is_changed() {
        let disk = Arc::new(CruelDisk::new());
        let store = open(&disk);
        for name in ["blue", "green"] {
            store.create(name, CollectionSpec::default()).unwrap();
        }
        store.change_aliases(&[set("live", "blue"), set("old", "blue")]).unwrap();
        assert_eq!(id(&store, "live"), id(&store, "blue"));
        assert_eq!(["live", "blue"].map(|name| store.stands_for(name)), [Some("blue".to_owned()), None]);
        store.change_aliases(&[set("live", "green"), rename("old", "older")]).unwrap();
        assert_eq!((id(&store, "live"), id(&store, "older")), (id(&store, "green"), id(&store, "blue")));
        store.change_note("live", |_| "{".into()).unwrap();
        store.change_note("live", |before| before.unwrap_or_default().to_owned() + "}").unwrap();
        drop(store);
        let store = open(&disk);
        assert_eq!(store.note("green").as_deref(), Some("{}"), "kept, and of the collection itself");
        assert_eq!(id(&store, "live"), id(&store, "green"));
        assert!(store.drop_collection("green").unwrap());
        assert!(matches!(store.collection("live"), Err(Error::Missing { .. })), "it goes with its collection");
        assert_eq!(store.aliases().into_keys().collect::<Vec<_>>(), ["older"]);
        store.create("green", CollectionSpec::default()).unwrap();
        assert_eq!(store.note("green"), None);
    }

    #[test]
    fn changes_hold_together_or_not_at_all() {
        let store = open(&Arc::new(CruelDisk::new()));
        store.create("c", CollectionSpec::default()).unwrap();
        store.change_aliases(&[set("a", "c")]).unwrap();
        let before = store.aliases();
        for wrong in [set("b", "nobody"), set("c", "c"), rename("nobody", "d"), rename("a", "c"), set("no/name", "c")] {
            assert!(store.change_aliases(&[set("z", "c"), wrong.clone()]).is_err(), "{wrong:?}");
            assert_eq!(store.aliases(), before);
        }
        store.change_aliases(&[AliasChange::Delete { alias: "nobody".into() }]).unwrap();
        assert!(matches!(store.create("a", CollectionSpec::default()), Err(Error::Taken { .. })));
        let long = || "x".repeat(NOTE_BYTES_MAX + 1);
        assert!(store.change_note("c", |_| long()).is_err() && store.change_note("d", |_| String::new()).is_err());
    }

    /// A failed save leaves the aliases of memory and of the disk as they were, or as they were to be.
    #[test]
    fn a_power_cut_leaves_all_of_a_change_or_nothing() {
        for call in 0..8 {
            let disk = Arc::new(CruelDisk::new());
            let store = open(&disk);
            store.create("c", CollectionSpec::default()).unwrap();
            store.change_aliases(&[set("a", "c")]).unwrap();
            disk.cut_power_at(call);
            let changed = store.change_aliases(&[set("b", "c"), rename("a", "d")]);
            drop(store);
            let store = open(&Arc::new(disk.crash(call)));
            let names: Vec<String> = store.aliases().into_keys().collect();
            assert!(names == ["a"] || names == ["b", "d"], "call {call}: {names:?}");
            assert!(changed.is_err() || names == ["b", "d"], "call {call}: it was said to hold");
        }
    }
}
