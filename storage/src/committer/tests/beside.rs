//! The rows of a group become a part beside its sync, and parts are melted behind the answers: what else happens meanwhile
//! finds the collection whole.

use super::{Gate, Gated, Home, ids, one, point, upsert};
use crate::collection::{Collection, Done};
use crate::disk::cruel::{CruelDisk, Fault};
use crate::error::Error;
use crate::fold::stored_point;
use crate::point::Point;
use crate::schema::{NewField, VectorField};
use crate::snapshot::PartView;
use crate::write::{Durability, Write, WriteBatch};
use nigh_index::vector::metric::Metric;
use nigh_index::vector::spec::VectorSpec;
use std::sync::{Arc, mpsc};

fn dense(name: &str) -> NewField {
    NewField::Dense(VectorField { name: name.into(), spec: VectorSpec::new(2, Metric::Dot) })
}

/// The rows of a large group become a part while the log is on its way to the disk: whatever fails there, and wherever the
/// power is cut, they are seen if and only if they were logged.
#[test]
fn many_rows_are_seen_only_once_they_are_logged() {
    let batch = |from: u64| WriteBatch::from((from..from + 40).map(upsert).collect::<Vec<_>>());
    let mut outcomes = [0, 0];
    for call in 0..8 {
        let disk = CruelDisk::new();
        let home = Home::on(Arc::new(disk.clone()));
        home.write(batch(0)).unwrap();
        disk.fail_at(call, Fault::Io);
        let second = home.write(batch(40));
        disk.heal();
        let there = home.there().len();
        assert_eq!(there, if second.is_ok() { 80 } else { 40 }, "call {call}");
        outcomes[usize::from(second.is_ok())] += 1;
        for seed in 0..8 {
            let after = Home::at(Arc::new(disk.crash(seed)), home.clock.clone()).there().len();
            match &second {
                Ok(_) => assert_eq!(after, 80, "call {call}, seed {seed}"),
                Err(Error::Unknown { .. }) => assert!([40, 80].contains(&after), "call {call}, seed {seed}: {after}"),
                Err(_) => assert_eq!(after, 40, "call {call}, seed {seed}"),
            }
        }
    }
    assert!(outcomes[0] > 1 && outcomes[1] > 1, "{outcomes:?}");
}

/// Fields come and go while the rows of a group become a part, and that part is in hand when it is logged.
#[test]
fn a_group_that_is_logged_while_fields_change_is_kept_as_it_was_written() {
    let vector = |id: u64| vec![id as f32, 1.0];
    let write = |home: &Home, from: u64, field: u16| {
        let of = |id| Write::Upsert(Point { vectors: vec![(field, vector(id))], ..point(id, None) });
        home.write((from..from + 40).map(of).collect::<Vec<_>>().into()).unwrap();
    };
    let vectors = |home: &Home, id: u64| {
        let snapshot = home.collection.snapshot();
        let (part, row) = snapshot.find(&id.into()).unwrap();
        stored_point(&snapshot, part, row).unwrap().vectors
    };
    let gate = Arc::new(Gate::default());
    let mut home = Home::on(Arc::new(Gated { disk: CruelDisk::new(), gate: gate.clone() }));
    home.collection.add_vectors(dense("first")).unwrap();
    let collection = home.collection.clone();
    *gate.deed.lock() = Some(Box::new(move || {
        collection.add_vectors(dense("second")).unwrap();
        collection.drop_vectors("first").unwrap();
    }));
    write(&home, 0, 0);
    assert!(gate.deed.lock().is_none(), "it was done while the group was synced");
    // The fourth group of a size has them melted into one.
    for from in [20, 60, 100, 140] {
        write(&home, from, 1);
    }
    for step in 0..3 {
        assert_eq!(home.there(), (0..180).collect::<Vec<_>>(), "step {step}");
        for id in 20..180 {
            assert_eq!(vectors(&home, id), [(1, vector(id))], "step {step}");
        }
        match step {
            0 => home = home.reopened(),
            _ => assert_eq!(home.collection.seal().unwrap(), step == 1),
        }
    }
    assert_eq!(vectors(&home, 0), [], "the field is gone");
}

/// Parts are melted behind the answers: whoever is answered reads what he wrote, and what is done to the collection between
/// the two, while a part may be there of whose rows none is alive, finds it whole.
#[test]
fn what_happens_between_an_answer_and_the_melting_finds_the_collection_whole() {
    type Deed = (&'static str, fn(&Collection));
    let deeds: [Deed; 4] = [
        ("nothing", |_| {}),
        ("a seal", |collection| assert!(collection.seal().unwrap())),
        ("a settling", |collection| collection.settle().unwrap()),
        ("a field", |collection| {
            assert!(collection.add_vectors(dense("d")).unwrap());
        }),
    ];
    for (name, deed) in deeds {
        let mut home = Home::new();
        let group = |from: u64| (from..from + 40).map(upsert).collect::<Vec<_>>();
        for from in [0, 40, 80] {
            home.write(group(from).into()).unwrap();
        }
        let ops = [vec![Write::Delete(ids(&Vec::from_iter(0..40)))], group(120)].concat();
        let (sender, receiver) = mpsc::channel();
        let collection = home.collection.clone();
        let done: Done = Box::new(move |written| {
            let answered = collection.snapshot();
            let dead = |view: &PartView| u64::from(view.part.rows()) == view.dead.len();
            let told = (written.map(|written| written.seq), answered.seq, answered.points());
            assert!(answered.parts.len() == 4 && dead(&answered.parts[0]), "nothing was melted yet");
            deed(&collection);
            drop(collection);
            sender.send(told).unwrap();
        });
        home.collection.submit_batch(ops.into(), Durability::Durable, done).unwrap();
        let (seq, seen, points) = receiver.recv().unwrap();
        assert_eq!((seq.unwrap(), seen, points), (161, 161, 120), "{name}");
        // Once the next group is answered, what was to be melted is.
        home.write(one(upsert(0))).unwrap();
        for step in 0..3 {
            assert_eq!(home.there(), [vec![0], (40..160).collect()].concat(), "{name}, step {step}");
            match step {
                0 => home = home.reopened(),
                _ => home.collection.settle().unwrap(),
            }
        }
    }
}
