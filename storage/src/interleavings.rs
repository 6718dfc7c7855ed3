//! What is made by hand of locks, conditions and counters, run in one order of steps after another by shuttle: no
//! wake-up is missed, nothing is answered twice or never, nothing is counted below nothing.
//!
//! ```text
//! cargo test -p nigh-storage --features shuttle --lib interleavings
//! ```
//!
//! Nothing else can be tested with this feature: its locks work under its scheduler alone.

use crate::committer::{Pending, Queue};
use crate::error::Error;
use crate::memory::{Budget, Share, What};
use crate::sync::AtomicU64;
use crate::upkeep::Shared;
use shuttle::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// Orders tried at random, and as many of those that a few changes of the running thread tell apart.
const ORDERS: usize = 5_000;
const CHANGES: usize = 3;

const MIB: u64 = 1 << 20;

fn explore(check: fn()) {
    shuttle::check_random(check, ORDERS);
    shuttle::check_pct(check, ORDERS, CHANGES);
}

/// Callers, the writer, and somebody who closes.
#[test]
fn every_batch_that_was_taken_in_is_answered_once() {
    explore(|| {
        let queue = Arc::new(Queue::default());
        let (taken, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let caller = || {
            let (queue, taken, answered) = (queue.clone(), taken.clone(), answered.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    let heard = answered.clone();
                    let pending = Pending::sweep(Box::new(move |_| _ = heard.fetch_add(1, SeqCst)));
                    if queue.push(pending, 3, MIB).is_ok() {
                        taken.fetch_add(1, SeqCst);
                    }
                }
            })
        };
        let callers = [caller(), caller()];
        let (waiting, closing) = (queue.clone(), queue.clone());
        let writer = thread::spawn(move || {
            while let Some(group) = waiting.next_group(None) {
                group.into_iter().for_each(|one| (one.done)(Err(Error::Closed { name: String::new() })));
            }
        });
        let closer = thread::spawn(move || closing.close());
        callers.into_iter().chain([writer, closer]).for_each(|thread| thread.join().unwrap());
        assert_eq!(answered.load(SeqCst), taken.load(SeqCst));
        queue.tell_bytes(|bytes| assert_eq!(bytes, 0));
    });
}

/// Of two callers one waits and is let in, the other waits too or is told at once; then nobody waits.
#[test]
fn who_waits_for_memory_is_let_in_when_it_is_given_back() {
    explore(|| {
        let budget = Arc::new(Budget::new(400 * MIB));
        let share = Share::new(budget.clone());
        share.set(What::Live, 200 * MIB);
        let caller = || {
            let budget = budget.clone();
            thread::spawn(move || budget.admit().is_ok())
        };
        let callers = [caller(), caller()];
        share.set(What::Live, 0);
        let admitted = callers.into_iter().filter_map(|caller| caller.join().unwrap().then_some(())).count();
        assert!(admitted >= 1 && budget.admit().is_ok());
    });
}

/// Several threads tell what one collection holds while others ask.
#[test]
fn what_is_held_is_never_less_than_nothing() {
    explore(|| {
        let budget = Arc::new(Budget::new(400 * MIB));
        let share = Arc::new(Share::new(budget.clone()));
        let teller = |bytes: u64| {
            let share = share.clone();
            thread::spawn(move || {
                share.set(What::Queue, bytes);
                share.set(What::Queue, 0);
            })
        };
        let tellers = [teller(MIB), teller(2 * MIB)];
        assert!(budget.usage().counted() <= 3 * MIB && budget.admit().is_ok());
        tellers.into_iter().for_each(|teller| teller.join().unwrap());
        assert_eq!(budget.usage().counted(), 0);
    });
}

/// Work comes while the thread of upkeep looks, works, or is about to rest.
#[test]
fn a_wake_up_of_upkeep_is_never_missed() {
    explore(|| {
        let shared = Arc::new(Shared::default());
        let (work, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (keeping, found, counted) = (shared.clone(), work.clone(), done.clone());
        let keeper = thread::spawn(move || {
            while let Some((_, turn)) = keeping.look() {
                counted.fetch_add(found.swap(0, SeqCst), SeqCst);
                if counted.load(SeqCst) == 2 {
                    return;
                }
                keeping.rest(turn);
            }
        });
        let writer = || {
            let (shared, work) = (shared.clone(), work.clone());
            thread::spawn(move || {
                work.fetch_add(1, SeqCst);
                shared.wake();
            })
        };
        let writers = [writer(), writer()];
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        keeper.join().unwrap();
        assert_eq!(done.load(SeqCst), 2);
    });
}

/// Whoever ends the threads of upkeep does not wait for one that rests.
#[test]
fn upkeep_that_rests_is_ended() {
    explore(|| {
        let shared = Arc::new(Shared::default());
        let keeping = shared.clone();
        let keeper = thread::spawn(move || {
            while let Some((_, turn)) = keeping.look() {
                keeping.rest(turn);
            }
        });
        shared.end();
        keeper.join().unwrap();
    });
}
