//! Words through the server: signs, phrases and prefixes, several weighted fields, what is shown of a text, and rarity under
//! a filter; in live parts and in segments.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use nigh_client::schema::TextField;
use nigh_client::words::Highlighting;
use nigh_client::{Client, CollectionSpec, Filter, Point, PointId, Query, Retriever, field};
use nigh_index::text::spec::TextSpec;
use nigh_server::config::Limits;
use nigh_server::engine::Engine;
use nigh_server::engine::error::Error;
use nigh_server::engine::pool::Deadline;
use nigh_server::engine::query as asked;
use nigh_server::engine::query::retriever::{self, Kind};
use nigh_server::engine::words::Words;
use nigh_storage::disk::FsDisk;
use nigh_storage::point::Point as StoredPoint;
use nigh_storage::schema;
use nigh_storage::store::{Options, Store};
use nigh_storage::write::{Durability, Write};
use nigh_tests::server::{Server, Tuning};
use serde_json::json;
use std::sync::Arc;

const C: &str = "c";

const TEXTS: [(&str, &str); 8] = [
    ("Harbours of the north", "The old stone harbour lies behind the wind."),
    ("Running boats", "A boat runs before the wind; stones lie in the harbour."),
    ("Stone letters", "Letters in ink on old stone."),
    ("The wind", "Nothing but wind, and wind again."),
    ("Ink", "Inkwells and inks of the harbour master."),
    ("Paper boats", "Boats of paper do not run. The wind takes old paper boats."),
    ("Stones", "An old harbour, a stone; an old stone, a harbour."),
    ("Nothing", ""),
];

async fn filled(server: &Server) -> Client {
    let client = Client::connect(&server.url).await.unwrap();
    let spec = CollectionSpec::new().text("title", "english").text("body", "english");
    client.create_collection(C, spec).await.unwrap();
    for (id, (title, body)) in TEXTS.iter().enumerate() {
        let payload = json!({"title": title, "body": body, "even": id % 2 == 0});
        client.upsert(C, [Point::new(id as u64).payload(payload)]).await.unwrap();
    }
    client
}

async fn ids(client: &Client, retriever: Retriever) -> Vec<u64> {
    let hits = client.query(C, Query::default().with(retriever)).await.unwrap().hits;
    let mut ids: Vec<u64> =
        hits.iter().map(|hit| if let PointId::Num(id) = hit.id { id } else { panic!("a number") }).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signs_phrases_and_prefixes_narrow_what_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let client = filled(&server).await;
    for settled in [false, true] {
        if settled {
            client.optimize(C).await.unwrap();
        }
        for (query, expected) in [
            ("\"old stone\"", &[0, 2, 6][..]),
            ("\"stone old\"", &[]),
            ("+harbour -boats", &[0, 4, 6]),
            ("+wind +boat", &[1, 5]),
            ("wind -\"the wind\"", &[3]),
            ("ink*", &[2, 4]),
            ("+ink* +harb*", &[4]),
            ("paper letters", &[2, 5]),
            ("-wind", &[]),
            ("\"boats of paper\" +takes", &[5]),
        ] {
            let found = ids(&client, Retriever::text("body", query).syntax()).await;
            assert_eq!(found, expected, "{query}, settled: {settled}");
        }
        // Without the syntax signs are no more than what stands between words.
        assert_eq!(ids(&client, Retriever::text("body", "+letters -paper")).await, [2, 5]);
        let err = client.query(C, Query::default().with(Retriever::text("body", "\"old").syntax())).await.unwrap_err();
        assert!(err.to_string().contains("nothing closes"), "{err}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_fields_are_a_weighted_sum() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let client = filled(&server).await;
    for settled in [false, true] {
        if settled {
            client.optimize(C).await.unwrap();
        }
        let scores = async |retriever: Retriever, limit| {
            let reply = client.query(C, Query::default().with(retriever).limit(limit)).await.unwrap();
            reply.hits.into_iter().map(|hit| (hit.id, hit.score)).collect::<Vec<_>>()
        };
        let (title, body) = (Retriever::text("title", "old stone boats"), Retriever::text("body", "old stone boats"));
        let (title, body) = (scores(title, 10).await, scores(body, 10).await);
        let of = |all: &[(PointId, f32)], id| all.iter().find(|hit| hit.0 == id).map_or(0.0, |hit| hit.1);
        let mut expected: Vec<(PointId, f32)> = (0..8u64)
            .map(PointId::Num)
            .map(|id| (id, 2.5 * of(&title, id) + of(&body, id)))
            .filter(|hit| hit.1 > 0.0)
            .collect();
        expected.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        for limit in [1, 3, 10] {
            let both = Retriever::text_in([("title", 2.5), ("body", 1.0)], "old stone boats");
            let found = scores(both, limit).await;
            assert_eq!(found.len(), expected.len().min(limit as usize));
            for (have, want) in found.iter().zip(&expected) {
                assert!(have.0 == want.0 && (have.1 - want.1).abs() < 1e-5, "{found:?} {expected:?}");
            }
        }
        // What has to be there may be in either field.
        let letters = Retriever::text_in([("title", 1.0), ("body", 1.0)], "+letters +old").syntax();
        assert_eq!(ids(&client, letters).await, [2]);
        let either = Retriever::text_in([("title", 1.0), ("body", 1.0)], "+running +wind").syntax();
        assert_eq!(ids(&client, either).await, [1, 5]);
        let err = scores_err(&client, Retriever::text_in([("title", -1.0)], "x")).await;
        assert!(err.contains("a weight is above 0"), "{err}");
    }
    server.stop().await;
}

async fn scores_err(client: &Client, retriever: Retriever) -> String {
    client.query(C, Query::default().with(retriever)).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_field_comes_and_goes_while_a_collection_lives() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let client = filled(&server).await;
    let both = || TextField {
        name: "both".to_owned(),
        paths: vec!["title".to_owned(), "body".to_owned()],
        analyzer: "english".to_owned(),
        ..TextField::default()
    };
    assert!(client.query(C, Query::default().with(Retriever::text("both", "boats"))).await.is_err());
    client.add_text(C, both()).await.unwrap();
    assert!(client.add_text(C, both()).await.is_err(), "it is there");
    assert!(!client.add_text_if_absent(C, both()).await.unwrap());
    let other = TextField { analyzer: "standard".to_owned(), ..both() };
    assert!(client.add_text_if_absent(C, other).await.is_err(), "an unlike one has the name");
    let wrong = TextField { name: "more".to_owned(), analyzer: "klingon".to_owned(), ..TextField::default() };
    assert!(client.add_text(C, wrong).await.unwrap_err().to_string().contains("klingon"));
    let expected = |word: &str| {
        let has = |(title, body): &(&str, &str)| format!("{title} {body}").to_lowercase().contains(word);
        (0..TEXTS.len() as u64).filter(|id| has(&TEXTS[*id as usize])).collect::<Vec<_>>()
    };
    let found = async |client: &Client, word: &str| {
        let mut found = ids(client, Retriever::text("both", word)).await;
        found.sort_unstable();
        found
    };
    for word in ["boat", "letter"] {
        assert!(!expected(word).is_empty());
        assert_eq!(found(&client, word).await, expected(word), "{word}");
    }
    server.stop().await;
    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let client = Client::connect(server.url.clone()).await.unwrap();
    assert_eq!(found(&client, "boat").await, expected("boat"));
    assert!(client.drop_text(C, "both").await.unwrap());
    assert!(!client.drop_text(C, "both").await.unwrap());
    assert!(client.query(C, Query::default().with(Retriever::text("both", "boats"))).await.is_err());
    let described = client.describe_collection(C).await.unwrap();
    assert_eq!(described.spec.texts.iter().map(|field| &field.name[..]).collect::<Vec<_>>(), ["title", "body"]);
    server.stop().await;
}

/// An engine over a store that does nothing by itself: what is not read yet stays so until somebody asks for it.
#[tokio::test]
async fn a_text_field_that_was_not_read_yet_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { background: false, scrub_every: None, ..Options::default() };
    let store = Store::open(Arc::new(FsDisk), folder.path(), options).unwrap();
    store.create("c", schema::CollectionSpec::default()).unwrap();
    let collection = store.collection("c").unwrap();
    let saying = |id| Write::Upsert(StoredPoint { payload: r#"{"body":"old boats"}"#.into(), ..StoredPoint::new(id) });
    collection.write(vec![saying(1)], Durability::Durable).unwrap();
    collection.seal().unwrap();
    let field = schema::TextField { name: "body".to_owned(), paths: Vec::new(), spec: TextSpec::default() };
    collection.add_text(field.clone()).unwrap();
    collection.write(vec![saying(2)], Durability::Durable).unwrap();

    let engine = Arc::new(Engine::new(store, folder.path().to_owned(), Limits::default()));
    let words = Words { fields: vec![(0, 1.0)], query: "boats".to_owned(), ..Words::default() };
    let root = retriever::Retriever {
        name: "words".to_owned(),
        kind: Kind::Text(words),
        sources: Vec::new(),
        limit: 10,
        filter: None,
        corpus: None,
        score_threshold: None,
    };
    let query = asked::Query::new(root, 10);
    let unread = engine.query(collection.clone(), query.clone(), &Deadline::default()).await.unwrap_err();
    assert!(matches!(&unread, Error::Condition { found, .. } if found.starts_with("1 points")), "{unread}");
    // Who adds it once more waits for it.
    let added = engine.clone().add_text(collection.clone(), field, true, &Deadline::default()).await.unwrap();
    assert!(!added);
    let hits = engine.query(collection, query, &Deadline::default()).await.unwrap().hits;
    assert_eq!(hits.iter().map(|hit| hit.record.id).collect::<Vec<_>>(), [1, 2].map(nigh_index::id::PointId::Num));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_are_shown_and_words_are_rare_under_a_filter() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &Tuning::default()).await;
    let client = filled(&server).await;
    let asked = Highlighting { bytes: 24, pieces: 2 };
    let both = Retriever::text_in([("title", 1.0), ("body", 1.0)], "boat wind").highlight(asked);
    let hits = client.query(C, Query::default().with(both)).await.unwrap().hits;
    let fifth = hits.iter().find(|hit| hit.id == PointId::Num(5)).unwrap();
    let shown: Vec<(&str, Vec<&str>)> = fifth
        .highlights
        .iter()
        .map(|one| (&one.field[..], one.words.iter().map(|word| &one.text[word.clone()]).collect()))
        .collect();
    assert_eq!(shown[0], ("title", vec!["boats"]));
    assert_eq!(shown[1].0, "body");
    for one in &fifth.highlights {
        let whole = if one.field == "title" { TEXTS[5].0 } else { TEXTS[5].1 };
        assert!(one.text.len() <= 24 && whole[one.from..].starts_with(&one.text), "{one:?}");
    }

    // Of the even points three have the word in eight, and all the others count where the filter is not asked.
    let even = Filter::must([field("even").eq(true)]);
    let score = async |retriever: Retriever| {
        let reply = client.query(C, Query::default().with(retriever).filter(even.clone())).await.unwrap();
        reply.hits[0].score
    };
    let under = score(Retriever::text("body", "letters").rarity_under_filter()).await;
    let over = score(Retriever::text("body", "letters")).await;
    assert!(under < over, "one of four is less rare than one of seven: {under} {over}");
    // The same points in a corpus of its own, whose filter narrows no hits.
    let among = Retriever::text("body", "letters").corpus(even.clone());
    assert_eq!(score(among.clone()).await, under);
    let all = client.query(C, Query::default().with(among)).await.unwrap().hits;
    assert_eq!(all.len(), ids(&client, Retriever::text("body", "letters")).await.len());
    let both = Retriever::text("body", "letters").rarity_under_filter().corpus(even.clone());
    assert!(scores_err(&client, both).await.contains("corpus"));

    let tokens = client.analyze("pl+fold", "Książki, książka!").await.unwrap();
    assert_eq!(tokens.len(), 2);
    assert_eq!((tokens[1].position, tokens[1].bytes.clone()), (1, 11..20));
    assert!(client.analyze("klingon", "x").await.is_err());
    server.stop().await;
}
