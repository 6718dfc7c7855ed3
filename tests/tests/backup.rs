//! Backups through the wire: what is restored is what was backed up, whatever happened since; a damaged backup is
//! named and nothing comes of it; a file is copied once, and goes when nobody names it.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::backups::{Backup, Progress, Restore, Restored};
use nigh_client::error::Code;
use nigh_client::{Client, CollectionSpec, Error, Metric, Point, PointId, Scroll, VectorsWanted};
use nigh_server::config::Limits;
use nigh_server::engine::Engine;
use nigh_server::engine::target::Target;
use nigh_storage::disk::FsDisk;
use nigh_storage::store::{Options, Store};
use nigh_tests::random::Random;
use nigh_tests::server::{Server, Tuning};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_stream::StreamExt;

type Model = BTreeMap<PointId, Point>;

struct Home {
    folder: tempfile::TempDir,
    server: Server,
    client: Client,
}

impl Home {
    fn tuning(folder: &Path) -> Tuning {
        let place = folder.join("shelf").display().to_string();
        Tuning { seal_rows: Some(100), backup_targets: vec![("shelf".to_owned(), place)], ..Tuning::default() }
    }

    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start_in(&folder.path().join("data"), &Self::tuning(folder.path())).await;
        let client = Client::connect(&server.url).await.unwrap();
        Self { folder, server, client }
    }

    async fn create(&self, name: &str) {
        let spec = CollectionSpec::new().vector("v", 6, Metric::Dot).text("words", "standard");
        self.client.create_collection(name, spec).await.unwrap();
    }

    /// Some points written, others deleted; the same in the model.
    async fn change(&self, name: &str, model: &mut Model, random: &mut Random) {
        let mut points = Vec::new();
        for _ in 0..60 {
            let payload = json!({"n": random.below(9), "words": random.pick(&["near", "far", "night"])});
            points.push(Point::new(random.below(400)).vector("v", random.vector(6)).payload(payload));
        }
        model.extend(points.iter().map(|point| (point.id, point.clone())));
        self.client.upsert(name, points).await.unwrap();
        let gone: Vec<PointId> = (0..9).map(|_| PointId::Num(random.below(400))).collect();
        gone.iter().for_each(|id| drop(model.remove(id)));
        self.client.delete(name, gone).await.unwrap();
    }

    async fn all(&self, name: &str) -> Model {
        let scroll = Scroll { vectors: VectorsWanted::All, ..Scroll::default() };
        let points: Result<Vec<Point>, _> = self.client.scroll(name, scroll).collect().await;
        // The model does not know which operation wrote a point.
        points.unwrap().into_iter().map(|point| (point.id, Point { version: 0, ..point })).collect()
    }

    async fn backup(&self) -> (Backup, Progress) {
        let mut last = Progress::default();
        let transfer = self.client.backup("shelf", Vec::<String>::new()).await.unwrap();
        (transfer.done(|progress| last = progress.clone()).await.unwrap(), last)
    }

    async fn restore(&self, backup: &str, name: &str, into: &str) -> Result<Restored, Error> {
        let restore =
            Restore { backup: backup.into(), collection: name.into(), into: into.into(), ..Restore::default() };
        self.client.restore(restore).await?.done(|_| ()).await
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(self.folder.path().join("shelf/files")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    fn target(&self) -> Arc<Target> {
        Arc::new(Target::open("shelf", &self.folder.path().join("shelf").display().to_string()).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_restored_is_what_was_backed_up() {
    let home = Home::new().await;
    let mut random = Random::new(5);
    let (mut one, mut other) = (Model::new(), Model::new());
    home.create("one").await;
    home.create("other").await;
    home.create("empty").await;
    for _ in 0..4 {
        home.change("one", &mut one, &mut random).await;
        home.change("other", &mut other, &mut random).await;
    }
    let (first, _) = home.backup().await;
    let then = one.clone();
    for _ in 0..4 {
        home.change("one", &mut one, &mut random).await;
    }
    let before = home.files().len();
    let (second, progress) = home.backup().await;
    // Words of progress are few, but the last one tells all of it.
    assert!(progress.files.0 == progress.files.1 && progress.bytes.0 == progress.bytes.1, "{progress:?}");
    assert!(progress.bytes_reused > 0 && home.files().len() > before, "{progress:?}");
    assert_eq!(second.collections.iter().map(|one| one.points).sum::<u64>(), (one.len() + other.len()) as u64);
    let listed: Vec<String> = home.client.backups("").await.unwrap().into_iter().map(|backup| backup.id).collect();
    assert_eq!(listed, [first.id.clone(), second.id.clone()]);

    // The collection of now is not touched, and may be gone.
    home.change("one", &mut one.clone(), &mut random).await;
    home.client.drop_collection("other").await.unwrap();
    let restored = home.restore(&first.id, "one", "then").await.unwrap();
    assert_eq!((restored.points, home.all("then").await), (then.len() as u64, then));
    home.restore("", "one", "now").await.unwrap();
    assert_eq!(home.all("now").await, one);
    home.restore("", "other", "").await.unwrap();
    assert_eq!(home.all("other").await, other);
    assert_eq!(home.restore("", "empty", "nothing").await.unwrap().points, 0);

    // What was restored is a collection like others: it takes writes, and is there after a restart.
    home.change("now", &mut one, &mut random).await;
    let Home { folder, server, .. } = home;
    server.stop().await;
    let server = Server::start_in(&folder.path().join("data"), &Home::tuning(folder.path())).await;
    let client = Client::connect(&server.url).await.unwrap();
    let home = Home { folder, server, client };
    assert_eq!(home.all("now").await, one);
    assert_eq!(home.all("other").await, other);
    home.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_named_and_nothing_comes_of_it() {
    let home = Home::new().await;
    home.create("c").await;
    let (mut model, mut random) = (Model::new(), Random::new(6));
    home.change("c", &mut model, &mut random).await;
    let (backup, _) = home.backup().await;
    let folders = || fs::read_dir(home.folder.path().join("data")).unwrap().count();
    let before = folders();
    for (at, path) in home.files().into_iter().enumerate() {
        let good = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut flipped = good.clone();
        flipped[(at * 37) % good.len()] ^= 1;
        let longer = [&good[..], b"x"].concat();
        for bad in [Some(flipped), Some(good[..good.len() - 1].to_vec()), Some(longer), None] {
            match bad {
                Some(bad) => fs::write(&path, bad).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let error = home.restore(&backup.id, "c", "again").await.unwrap_err();
            assert_eq!(error.code(), Code::DataLoss, "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        fs::write(&path, good).unwrap();
    }
    let manifest = home.folder.path().join("shelf/backups").join(&backup.id);
    let good = fs::read(&manifest).unwrap();
    for at in (0..good.len()).step_by(41) {
        let mut flipped = good.clone();
        flipped[at] ^= 4;
        fs::write(&manifest, flipped).unwrap();
        let error = home.restore(&backup.id, "c", "again").await.unwrap_err();
        assert!(error.to_string().contains(&backup.id), "{error}");
    }
    assert!(home.client.backups("").await.unwrap()[0].broken);
    fs::write(&manifest, good).unwrap();
    assert_eq!(folders(), before, "nothing was left behind");
    let names: Vec<_> = home.client.list_collections().await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["c"]);
    home.restore(&backup.id, "c", "again").await.unwrap();
    assert_eq!(home.all("again").await, model);
    home.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_when_no_backup_names_them() {
    let home = Home::new().await;
    home.create("c").await;
    let (mut model, mut random) = (Model::new(), Random::new(7));
    home.change("c", &mut model, &mut random).await;
    let (first, _) = home.backup().await;
    home.client.drop_collection("c").await.unwrap();
    home.create("c").await;
    model.clear();
    home.change("c", &mut model, &mut random).await;
    let (second, _) = home.backup().await;
    let both = home.files().len();
    home.client.drop_backup("shelf", &first.id).await.unwrap();
    assert_eq!(home.files().len(), both, "files of this hour may belong to a backup that is being made");
    assert!(home.target().collect(Duration::ZERO).await.unwrap() > 0);
    assert!(home.files().len() < both);
    home.restore(&second.id, "c", "again").await.unwrap();
    assert_eq!(home.all("again").await, model);
    // A backup is being made elsewhere: nothing is removed.
    let mark = home.folder.path().join("shelf/active");
    fs::create_dir_all(&mark).unwrap();
    fs::write(mark.join("1-2"), b"").unwrap();
    assert!(home.target().collect(Duration::ZERO).await.is_err());
    let dropped = home.client.drop_backup("shelf", &second.id).await;
    assert_eq!(dropped.unwrap_err().code(), Code::Unavailable);
    assert!(home.folder.path().join("shelf/backups").join(&second.id).exists(), "what was refused was done");
    assert!(!home.folder.path().join("shelf/collecting").exists());
    fs::remove_file(mark.join("1-2")).unwrap();
    // Files are being removed: no backup begins.
    fs::write(home.folder.path().join("shelf/collecting"), b"").unwrap();
    let begun = home.client.backup("shelf", ["c"]).await.unwrap().done(|_| ()).await;
    assert_eq!(begun.unwrap_err().code(), Code::Unavailable);
    home.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_waits_for_collections_that_are_being_opened() {
    let Home { folder, server, client } = Home::new().await;
    for name in ["one", "other"] {
        let spec = CollectionSpec::new().vector("v", 6, Metric::Dot);
        client.create_collection(name, spec).await.unwrap();
    }
    server.stop().await;
    let root = folder.path().join("data");
    let options = Options { background: false, ..Options::default() };
    let store = Store::attach(Arc::new(FsDisk), &root, options).unwrap();
    let engine = Arc::new(Engine::new(store, root, Limits::default()));
    let target = Target::open("shelf", &folder.path().join("shelf").display().to_string()).unwrap();
    // Who is asked to wait first lets them be opened: before that, nothing is.
    let (opening, mut opened) = (engine.clone(), None);
    let seen = Box::new(move |_: &_| {
        let opening = opening.clone();
        opened.get_or_insert_with(|| std::thread::spawn(move || opening.open_all()));
        true
    });
    let made = engine.backup(&target, Vec::new(), seen, std::future::pending()).await.unwrap();
    assert_eq!(made.collections.iter().map(|one| &one.name[..]).collect::<Vec<_>>(), ["one", "other"]);
    assert_eq!(made.left_out, []);
    engine.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    let home = Home::new().await;
    home.create("c").await;
    home.backup().await;
    for (target, collection, into, code) in [
        ("file:///etc", "c", "d", Code::NotFound),
        ("shelf", "c", "c", Code::AlreadyExists),
        ("shelf", "x", "d", Code::NotFound),
        ("shelf", "c", "../d", Code::InvalidArgument),
        ("shelf", "", "d", Code::InvalidArgument),
    ] {
        let restore =
            Restore { target: target.into(), collection: collection.into(), into: into.into(), ..Restore::default() };
        let outcome = match home.client.restore(restore).await {
            Ok(transfer) => transfer.done(|_| ()).await,
            Err(error) => Err(error),
        };
        let error = outcome.unwrap_err();
        assert_eq!(error.code(), code, "{target} {collection} {into}: {error}");
    }
    let error = home.client.backup("shelf", ["x"]).await.unwrap().done(|_| ()).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound, "{error}");
    assert_eq!(home.client.backups("shelf").await.unwrap().len(), 1);
    let marks = fs::read_dir(home.folder.path().join("shelf/active")).unwrap().count();
    assert_eq!(marks, 0, "a backup that failed leaves no mark");
    home.server.stop().await;
}
