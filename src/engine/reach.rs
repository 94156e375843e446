//! What the command of a session reaches: the engine, and the shards, entered already or not.
//!
//! Such a command runs with no shard entered, except inside a transaction or a script: those hold shards until they
//! are done, and nobody enters a shard twice. So whatever looks at shards for it goes through a [`Reach`], which
//! knows whether it is inside, and what cannot be done inside is put off until the shards are left.
//!
//! **Invariant:** inside, all shards are entered.

#[cfg(feature = "script")]
use super::View;
use super::door::Entered;
use super::{Client, Engine, Pump};
#[cfg(feature = "script")]
use crate::command::error::CommandError;
use crate::shard::Shard;
use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The engine for the time of one command, from outside its shards or inside all of them.
#[derive(Debug)]
pub struct Reach<'a, 'e> {
    engine: &'e Engine,
    entered: Option<&'a mut Entered<'e>>,
    #[cfg_attr(not(feature = "script"), expect(dead_code, reason = "nothing else keeps clients waiting"))]
    pump: Option<&'a mut (dyn Pump + 'a)>,
}

/// Something to be done once the shards are left.
pub(super) type Later = Box<dyn FnOnce(&Engine) + Send>;

impl<'a, 'e> Reach<'a, 'e> {
    /// With no shard entered.
    #[must_use]
    pub fn outside(engine: &'e Engine) -> Self {
        Self { engine, entered: None, pump: None }
    }

    /// The same, with somebody who looks after other clients while a script runs.
    pub(super) fn pumped(engine: &'e Engine, pump: Option<&'a mut (dyn Pump + 'a)>) -> Self {
        Self { engine, entered: None, pump }
    }

    /// With all shards entered.
    pub(crate) fn inside(entered: &'a mut Entered<'e>) -> Self {
        Self { engine: entered.engine(), entered: Some(entered), pump: None }
    }

    /// The engine itself, for what enters no shard.
    #[must_use]
    pub fn engine(&self) -> &'e Engine {
        self.engine
    }

    /// Whether shards are entered.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.entered.is_some()
    }

    /// Visits every shard: one after another from outside, all at one moment from inside.
    pub fn each_shard(&mut self, mut visit: impl FnMut(&mut Shard)) {
        match &mut self.entered {
            Some(entered) => entered.shards().for_each(visit),
            None => self.engine.doors().iter().for_each(|door| visit(&mut door.enter())),
        }
    }

    /// Gives `f` all shards at one moment, seen through a database.
    pub fn with_all<R>(&mut self, db: usize, f: impl FnOnce(&mut Entered<'e>) -> R) -> R {
        match &mut self.entered {
            Some(entered) => entered.through(db, f),
            None => {
                let mut entered = self.engine.enter_all(db);
                let result = f(&mut entered);
                entered.leave();
                result
            }
        }
    }

    /// Gives `f` all shards at one moment for a script, and who looks after other clients meanwhile.
    ///
    /// # Errors
    /// `BUSY` where another script has them, and is slow.
    #[cfg(feature = "script")]
    pub(crate) fn inside_all<R>(
        &mut self,
        db: usize,
        f: impl for<'p> FnOnce(&'p mut Entered<'e>, Option<&'p mut (dyn Pump + 'p)>) -> R,
    ) -> Result<R, CommandError> {
        match &mut self.entered {
            Some(entered) => Ok(entered.through(db, |entered| f(entered, None))),
            None => {
                let view = View { db, now_ms: self.engine.clock().now_ms(), no_touch: true };
                let mut entered = Entered::try_enter_all(self.engine, view)?;
                let pump = self.pump.as_mut().map(|pump| &mut **pump as _);
                let result = inside(|| f(&mut entered, pump));
                entered.leave();
                Ok(result)
            }
        }
    }

    /// Whether memory is used up; from outside, room is made where it can be.
    #[cfg(feature = "script")]
    pub(crate) fn is_out_of_memory_now(&self) -> bool {
        if self.is_inside() { self.engine.is_out_of_memory() } else { self.engine.make_room().is_err() }
    }

    /// Does something that enters shards: now, or once those that are entered are left.
    pub fn when_outside(&mut self, f: impl FnOnce(&Engine) + Send + 'static) {
        match &mut self.entered {
            Some(entered) => entered.put_off(Box::new(f)),
            None => f(self.engine),
        }
    }
}

impl Reach<'_, '_> {
    /// [`Engine::memory_bytes`].
    #[must_use]
    pub fn memory_bytes(&mut self) -> usize {
        let mut used = 0;
        self.each_shard(|shard| used += shard.used_bytes());
        self.engine.memory_peak.fetch_max(used, Ordering::Relaxed);
        used
    }

    /// Closes a client's connection: [`Engine::kill`].
    pub fn kill(&mut self, client: &Arc<Client>) {
        let client = Arc::clone(client);
        self.when_outside(move |engine| engine.kill(&client));
    }

    /// Has the shards follow settings that were changed from inside.
    pub fn follow_settings(&mut self) {
        if self.is_inside() {
            let settings = super::shard_settings(self.engine.settings(), self.engine.dict_seed);
            self.each_shard(|shard| shard.settings = settings);
        }
    }
}

thread_local! {
    /// Whether this thread is inside all shards.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside all shards, for those who are called without a [`Reach`].
pub(super) fn is_inside() -> bool {
    INSIDE.get()
}

/// Runs `f`, which is inside all shards.
pub(super) fn inside<R>(f: impl FnOnce() -> R) -> R {
    struct Outside;
    impl Drop for Outside {
        fn drop(&mut self) {
            INSIDE.set(false);
        }
    }
    INSIDE.set(true);
    let _outside = Outside;
    f()
}

impl Deref for Reach<'_, '_> {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        self.engine
    }
}
