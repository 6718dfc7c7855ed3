//! Locks, conditions and counters of the structures that are made by hand here. In tests with the feature `shuttle`
//! they are those of a scheduler that runs the same steps in one order after another (see `interleavings`).

#[cfg(all(test, feature = "shuttle"))]
pub(crate) use explored::{Condvar, Mutex};
#[cfg(not(all(test, feature = "shuttle")))]
pub(crate) use parking_lot::{Condvar, Mutex};
#[cfg(all(test, feature = "shuttle"))]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64};
#[cfg(not(all(test, feature = "shuttle")))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64};

/// Shuttle's, with the faces that parking_lot's have. Nothing times out: who waits for a call that was missed waits for
/// ever, and the scheduler says so.
#[cfg(all(test, feature = "shuttle"))]
mod explored {
    use std::ops::{Deref, DerefMut};
    use std::time::{Duration, Instant};

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    pub(crate) struct Guard<'m, T>(Option<shuttle::sync::MutexGuard<'m, T>>);

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(shuttle::sync::Condvar);

    pub(crate) struct Woken;

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> Guard<'_, T> {
            Guard(Some(self.0.lock().expect("a thread that panics ends the run")))
        }
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().expect("it is given away only while somebody waits")
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().expect("it is given away only while somebody waits")
        }
    }

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }

        pub(crate) fn wait<T>(&self, guard: &mut Guard<'_, T>) {
            let held = guard.0.take().expect("it is held");
            guard.0 = Some(self.0.wait(held).expect("a thread that panics ends the run"));
        }

        pub(crate) fn wait_for<T>(&self, guard: &mut Guard<'_, T>, _: Duration) -> Woken {
            self.wait(guard);
            Woken
        }

        pub(crate) fn wait_until<T>(&self, guard: &mut Guard<'_, T>, _: Instant) -> Woken {
            self.wait(guard);
            Woken
        }
    }

    impl Woken {
        pub(crate) fn timed_out(&self) -> bool {
            false
        }
    }
}
