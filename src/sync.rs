//! The locks of the doors, of the waiters and of the cycles, under which their hand-over is explored.
//!
//! They are `parking_lot`'s, unless the feature `shuttle` is on: then a thread that [`explore`] runs asks a lock of
//! shuttle's first, which lets another task go on wherever it may, so that a test walks through the schedules that
//! threads could take. On all other threads that feature changes nothing.
//!
//! What else the engine locks (registries, labels, the outbox) is never held while one of these is taken; a schedule that
//! found it otherwise would stand still, and be reported.

#[cfg(not(feature = "shuttle"))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};

#[cfg(feature = "shuttle")]
pub use explored::explore;
#[cfg(feature = "shuttle")]
pub(crate) use explored::{Condvar, Mutex, MutexGuard, is_explored};

#[cfg(feature = "shuttle")]
mod explored {
    use std::cell::Cell;
    use std::fmt;
    use std::ops::{Deref, DerefMut};
    use std::time::Duration;

    thread_local! {
        /// Whether this thread runs shuttle's tasks.
        static EXPLORED: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether this thread runs shuttle's tasks.
    pub(crate) fn is_explored() -> bool {
        EXPLORED.get()
    }

    /// Has the locks of this thread ask shuttle while `f` runs, which is what shuttle runs as a test.
    pub fn explore<R>(f: impl FnOnce() -> R) -> R {
        struct Over;
        impl Drop for Over {
            fn drop(&mut self) {
                EXPLORED.set(false);
            }
        }
        EXPLORED.set(true);
        let _over = Over;
        f()
    }

    /// A lock, and one of shuttle's in front of it, which is where a task waits.
    #[derive(Default)]
    pub(crate) struct Mutex<T> {
        gate: shuttle::sync::Mutex<()>,
        lock: parking_lot::Mutex<T>,
    }

    impl<T> fmt::Debug for Mutex<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Mutex").finish_non_exhaustive()
        }
    }

    /// The lock is given back before the gate.
    pub(crate) struct MutexGuard<'a, T> {
        lock: parking_lot::MutexGuard<'a, T>,
        _gate: Option<shuttle::sync::MutexGuard<'a, ()>>,
    }

    impl<T> fmt::Debug for MutexGuard<'_, T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("MutexGuard").finish_non_exhaustive()
        }
    }

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self { gate: shuttle::sync::Mutex::new(()), lock: parking_lot::Mutex::new(value) }
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            let gate =
                is_explored().then(|| self.gate.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
            MutexGuard { lock: self.lock.lock(), _gate: gate }
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            let gate = match is_explored() {
                true => Some(self.gate.try_lock().ok()?),
                false => None,
            };
            Some(MutexGuard { lock: self.lock.try_lock()?, _gate: gate })
        }

        /// Time does not pass while schedules are explored: there it waits.
        pub(crate) fn try_lock_for(&self, time: Duration) -> Option<MutexGuard<'_, T>> {
            if is_explored() {
                return Some(self.lock());
            }
            Some(MutexGuard { lock: self.lock.try_lock_for(time)?, _gate: None })
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            &self.lock
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            &mut self.lock
        }
    }

    /// Only threads that are not explored wait for one.
    #[derive(Debug, Default)]
    pub(crate) struct Condvar(parking_lot::Condvar);

    impl Condvar {
        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            self.0.wait(&mut guard.lock);
        }

        pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, time: Duration) {
            self.0.wait_for(&mut guard.lock, time);
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }
    }
}
