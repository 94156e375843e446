//! Whether this thread is inside a shard, showing a value to a caller's closure.
//!
//! A door is not re-entrant, and two engines' doors have no common order; so a thread that is inside enters nothing
//! else. Calls are refused; what cannot be refused (a wait that is dropped in there) is put off until the thread is out.

use super::Error;
use std::cell::{Cell, RefCell};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// Whether anything is in `PUT_OFF`, which takes longer to look at.
    static LATER: Cell<bool> = const { Cell::new(false) };
    static PUT_OFF: RefCell<Vec<Box<dyn FnOnce()>>> = const { RefCell::new(Vec::new()) };
}

/// # Errors
/// [`Error::ReentrantCall`] while this thread is inside.
#[inline]
pub(super) fn check() -> Result<(), Error> {
    if INSIDE.get() { Err(Error::ReentrantCall) } else { Ok(()) }
}

/// Marks the thread as inside until it is dropped, which has to be after the door was left.
#[derive(Debug)]
pub(super) struct Inside(());

impl Inside {
    /// # Errors
    /// [`Error::ReentrantCall`] while this thread is inside.
    #[inline]
    pub(super) fn enter() -> Result<Self, Error> {
        check()?;
        INSIDE.set(true);
        Ok(Self(()))
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        INSIDE.set(false);
        if LATER.replace(false) {
            run_put_off();
        }
    }
}

#[cold]
fn run_put_off() {
    // What runs may put something off itself, so the cell is not borrowed meanwhile. At a thread's end it is gone,
    // and nothing can be in it.
    let put_off = PUT_OFF.try_with(RefCell::take).unwrap_or_default();
    put_off.into_iter().for_each(|later| later());
}

/// Runs `f` now, or once the thread is out.
pub(super) fn once_outside(f: impl FnOnce() + 'static) {
    if INSIDE.get() {
        PUT_OFF.with_borrow_mut(|put_off| put_off.push(Box::new(f)));
        LATER.set(true);
    } else {
        f();
    }
}
