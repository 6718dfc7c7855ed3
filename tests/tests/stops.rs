//! Work that nobody waits for any more, and servers that stop amid it: it ends, and leaves nothing behind that the next one
//! would stumble over.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use bytes::Bytes;
use nigh_client::{Client, CollectionSpec, Metric, Point};
use nigh_proto::v1;
use nigh_server::config::{Config, Limits};
use nigh_server::engine::Engine;
use nigh_server::engine::error::Error;
use nigh_server::engine::restore::Restore;
use nigh_server::engine::target::Target;
use nigh_server::serve::Server;
use nigh_storage::archive::Until;
use nigh_storage::disk::FsDisk;
use nigh_storage::store::{Options, Store};
use nigh_storage::write::{Durability, Write};
use nigh_tests::keyed::config;
use nigh_tests::server::metric;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::oneshot;
use tonic::transport::Channel;

/// Steps after which a work is done for certain.
const STEPS_MAX: usize = 500;

struct Home {
    folder: tempfile::TempDir,
    engine: Arc<Engine>,
    target: Arc<Target>,
}

impl Home {
    /// A collection of three segments.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("data");
        let options = Options { background: false, build_threads: 1, ..Options::default() };
        let store = Store::open(Arc::new(FsDisk), &root, options).unwrap();
        store.create("c", nigh_storage::schema::CollectionSpec::default()).unwrap();
        let collection = store.collection("c").unwrap();
        for segment in 0..3_u64 {
            let payload = Bytes::from(format!("{{\"of\":{segment}}}"));
            let point =
                |id| nigh_storage::point::Point { payload: payload.clone(), ..nigh_storage::point::Point::new(id) };
            let ops = (0..20).map(|id| Write::Upsert(point(segment * 20 + id))).collect();
            collection.write(ops, Durability::Durable).unwrap();
            assert!(collection.seal().unwrap());
        }
        let target = Arc::new(Target::open("shelf", &folder.path().join("shelf").display().to_string()).unwrap());
        let engine = Arc::new(Engine::new(store, root, Limits::default()));
        engine.open_all();
        Self { folder, engine, target }
    }

    fn names(&self, place: &str) -> Vec<String> {
        let Ok(found) = std::fs::read_dir(self.folder.path().join(place)) else { return Vec::new() };
        let mut names: Vec<_> = found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn points(&self, name: &str) -> u64 {
        self.engine.collection(name).unwrap().snapshot().points()
    }

    /// A backup that is stopped when it has told of its progress so often; how often it did.
    async fn backup(&self, stop_at: usize) -> Result<usize, Error> {
        let (stop, stopped) = oneshot::channel();
        let (mut stop, told) = (Some(stop), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
        let counted = told.clone();
        let seen = Box::new(move |_: &_| {
            if counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == stop_at {
                stop.take().unwrap().send(()).unwrap();
            }
            true
        });
        let stopping = async {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        self.engine.backup(&self.target, Vec::new(), seen, stopping).await?;
        Ok(told.load(std::sync::atomic::Ordering::Relaxed))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_stopped_at_any_step_leaves_no_mark_and_the_next_one_is_whole() {
    let home = Home::new();
    let steps = home.backup(usize::MAX).await.unwrap();
    let first = home.engine.backup(&home.target, Vec::new(), Box::new(|_| true), std::future::pending()).await.unwrap();
    for one in home.target.backups().await.unwrap() {
        home.target.drop_backup(&one.id).await.unwrap();
    }
    assert!(steps >= 6 && first.collections[0].points == 60, "{steps}");
    for step in 0..steps {
        let stopped = home.backup(step).await;
        assert_eq!(home.names("shelf/active"), Vec::<String>::new(), "step {step}");
        let listed = home.target.backups().await.unwrap();
        assert!(listed.iter().all(|one| !one.broken), "step {step}: {listed:?}");
        if step < steps / 2 {
            assert!(matches!(stopped, Err(Error::Unavailable(_))), "step {step}: {stopped:?}");
            assert_eq!(listed, [], "step {step}");
        }
        // Behind the last file comes the name of the backup: where the stop meets that, it is there, and whole.
        for one in listed {
            home.target.drop_backup(&one.id).await.unwrap();
        }
    }
    home.backup(usize::MAX).await.unwrap();
    let asked = Restore { backup: String::new(), collection: "c".into(), into: "again".into(), until: Until::Backup };
    home.engine.clone().restore(home.target.clone(), asked, Box::new(|_| true)).await.unwrap();
    assert_eq!(home.points("again"), 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_nobody_waits_for_leaves_nothing() {
    let home = Home::new();
    home.backup(usize::MAX).await.unwrap();
    let (before, catalog) = (home.names("data"), std::fs::read(home.folder.path().join("data/CATALOG")).unwrap());
    for step in 0..STEPS_MAX {
        let asked =
            Restore { backup: String::new(), collection: "c".into(), into: "again".into(), until: Until::Backup };
        let mut told = 0;
        let seen = Box::new(move |_: &_| {
            told += 1;
            told <= step
        });
        match home.engine.clone().restore(home.target.clone(), asked, seen).await {
            Ok(_) => {
                assert!(step >= 6, "it asked {step} times whether somebody waits");
                assert_eq!((home.points("c"), home.points("again")), (60, 60));
                return;
            }
            Err(err) => assert!(matches!(err, Error::Gone), "step {step}: {err}"),
        }
        assert!(matches!(home.engine.collection("again"), Err(Error::Missing { .. })), "step {step}");
        assert_eq!(home.names("data"), before, "step {step}");
        assert_eq!(std::fs::read(home.folder.path().join("data/CATALOG")).unwrap(), catalog, "step {step}");
    }
    panic!("it never came to its end");
}

/// A configuration with an audit log, and a backup target.
fn audited(folder: &Path) -> Config {
    let mut config = config(&folder.join("data"));
    config.security.audit_file = Some(folder.join("audit.jsonl"));
    config.backup_targets = vec![("shelf".to_owned(), folder.join("shelf").display().to_string())];
    config
}

/// The lines of the audit log of a call.
fn audit(folder: &Path, call: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["call"] == call).collect()
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !tokio::task::block_in_place(&mut holds) {
        tokio::task::yield_now().await;
    }
}

/// 8 MiB to be read, at 1 MiB a second; and then nobody waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrub_ends_with_its_caller_and_the_audit_log_says_so() {
    const SCRUB: &str = "/nigh.v1.Integrity/Scrub";
    let folder = tempfile::tempdir().unwrap();
    let running = Server::start(audited(folder.path())).await.unwrap();
    running.ready().await;
    let (url, http) = (format!("http://{}", running.grpc_addr()), running.http_addr().to_string());
    let client = Client::connect(&url).await.unwrap();
    client.create_collection("c", CollectionSpec::new().vector("v", 2, Metric::Dot)).await.unwrap();
    // Nothing that a compression would make small.
    let mut random = nigh_tests::random::Random::new(7);
    for id in 0..16 {
        let text: String = (0..64 << 10).map(|_| format!("{:08x}", random.below(1 << 32))).collect();
        client.upsert("c", [Point::new(id).vector("v", vec![1.0, 0.0]).payload(json!({"text": text}))]).await.unwrap();
    }
    client.optimize("c").await.unwrap();
    let all = metric(&http, "nigh_disk_bytes{collection=\"c\"}");
    assert!(all > 8e6, "{all}");
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let scrub = tokio::spawn(async move {
        let ask = v1::ScrubRequest { collection: "c".to_owned(), bytes_per_second: 1 << 20 };
        v1::integrity_client::IntegrityClient::new(channel).scrub(ask).await
    });
    until(|| metric(&http, "nigh_scrubbed_bytes_total") > 0.0).await;
    scrub.abort();
    assert!(scrub.await.unwrap_err().is_cancelled());
    until(|| metric(&http, "nigh_scrub_running") == 0.0).await;
    let read = metric(&http, "nigh_scrubbed_bytes_total");
    assert!(read < all * 0.9, "{read} of {all} bytes were read: it went on to its end");
    let cancelled = format!("nigh_requests_total{{door=\"grpc\",call=\"{SCRUB}\",result=\"cancelled\"}}");
    assert_eq!(metric(&http, &cancelled), 1.0);
    let lines = audit(folder.path(), SCRUB);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["result"], &lines[0]["collections"]), (&json!("cancelled"), &json!(["c"])));
    // Whoever comes next is not refused because one runs.
    let scrubbed = tokio::time::timeout(std::time::Duration::from_secs(60), client.count("c", None)).await;
    assert_eq!(scrubbed.unwrap().unwrap(), 16);
    running.shutdown().await.unwrap();
}

/// Where a backup comes to its end before the stop does, it is tried again with more to copy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_amid_a_backup_leaves_none_and_the_next_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let spec = || CollectionSpec::new().vector("v", 2, Metric::Dot);
    let point = |id| Point::new(id).vector("v", vec![1.0, id as f32]);
    for round in 0..20_u64 {
        let running = Server::start(audited(folder.path())).await.unwrap();
        running.ready().await;
        let client = Client::connect(format!("http://{}", running.grpc_addr())).await.unwrap();
        for at in 0..8 {
            let name = format!("c{round}-{at}");
            client.create_collection(&name, spec()).await.unwrap();
            client.upsert(&name, (0..40).map(point)).await.unwrap();
            client.optimize(&name).await.unwrap();
        }
        let before = client.backups("shelf").await.unwrap().len();
        let (word, first) = oneshot::channel();
        let mut word = Some(word);
        let transfer = client.backup("shelf", Vec::<String>::new()).await.unwrap();
        let backup = tokio::spawn(transfer.done(move |_| {
            if let Some(word) = word.take() {
                word.send(()).unwrap();
            }
        }));
        first.await.unwrap();
        running.shutdown().await.unwrap();
        if backup.await.unwrap().is_ok() {
            continue;
        }
        let left = std::fs::read_dir(folder.path().join("shelf/active")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "a mark would keep files from being removed for a day");
        let running = Server::start(audited(folder.path())).await.unwrap();
        running.ready().await;
        let client = Client::connect(format!("http://{}", running.grpc_addr())).await.unwrap();
        assert_eq!(client.backups("shelf").await.unwrap().len(), before);
        let transfer = client.backup("shelf", Vec::<String>::new()).await.unwrap();
        let made = transfer.done(|_| ()).await.unwrap();
        assert_eq!(made.collections.len() as u64, 8 * (round + 1));
        assert!(made.collections.iter().all(|one| one.points == 40), "{made:?}");
        running.shutdown().await.unwrap();
        return;
    }
    panic!("every backup came to its end before the server stopped");
}
