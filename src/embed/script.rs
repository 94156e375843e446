//! Lua scripts and functions (feature `script`; without it every call fails and says so).

use super::{Argv, Bytes, Damselfly, Error, Result, collect, reply};
use crate::command::error::CommandError;
use crate::reply::Reply;
use std::fmt;

/// A script that is compiled: [`Damselfly::script`].
#[derive(Clone)]
pub struct Script {
    db: Damselfly,
    source: Box<[u8]>,
    digest: Bytes,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("digest", &self.digest).finish_non_exhaustive()
    }
}

impl Script {
    /// Forty hexadecimal digits that `EVALSHA` finds it by.
    #[must_use]
    pub fn digest(&self) -> &str {
        std::str::from_utf8(&self.digest).unwrap_or_default()
    }

    /// Runs it with `KEYS` and `ARGV`; nobody sees what it does before it is done.
    ///
    /// # Errors
    /// What it raises, with the place, or returns as an error.
    ///
    /// Reference: <https://valkey.io/commands/evalsha/>
    pub fn call<K: AsRef<[u8]>, A: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Reply> {
        self.call_as(b"EVALSHA", keys, args)
    }

    /// Runs it, and refuses whatever of it would write.
    ///
    /// # Errors
    /// What it raises, with the place, or returns as an error.
    ///
    /// Reference: <https://valkey.io/commands/evalsha_ro/>
    pub fn call_ro<K: AsRef<[u8]>, A: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Reply> {
        self.call_as(b"EVALSHA_RO", keys, args)
    }

    fn call_as<K: AsRef<[u8]>, A: AsRef<[u8]>>(
        &self,
        command: &[u8],
        keys: impl IntoIterator<Item = K>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Reply> {
        let (keys, args) = (collect(keys), collect(args));
        let run = || self.db.run_script(command, &self.digest, &keys, &args);
        match run() {
            Err(Error::Command(error)) if error.to_string().starts_with("NOSCRIPT ") => {
                // Somebody has had all scripts forgotten.
                self.db.script_load(&self.source)?;
                run()
            }
            other => other,
        }
    }
}

impl Damselfly {
    /// Compiles a script, to be called as often as you like. O(its length).
    ///
    /// ```
    /// use damselfly::{Damselfly, reply::Reply};
    /// let db = Damselfly::in_memory();
    /// let take = db.script(
    ///     "local left = tonumber(redis.call('GET', KEYS[1]) or ARGV[1])
    ///      if left <= 0 then return false end
    ///      redis.call('SET', KEYS[1], left - 1)
    ///      return left - 1",
    /// )?;
    /// assert_eq!(take.call(["tokens"], ["2"])?, Reply::Int(1));
    /// assert_eq!(take.call(["tokens"], ["2"])?, Reply::Int(0));
    /// assert_eq!(take.call(["tokens"], ["2"])?, Reply::Null);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// It does not compile.
    pub fn script(&self, source: impl AsRef<[u8]>) -> Result<Script> {
        let source = source.as_ref();
        let digest = self.script_load(source)?;
        Ok(Script { db: self.clone(), source: source.into(), digest })
    }

    /// Runs a script once. See [`script`](Self::script) for one that is run often.
    ///
    /// ```
    /// use damselfly::{Damselfly, reply::Reply};
    /// let db = Damselfly::in_memory();
    /// let sum = db.eval("return redis.call('INCRBY', KEYS[1], ARGV[1])", ["n"], ["5"])?;
    /// assert_eq!(sum, Reply::Int(5));
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// It does not compile; what it raises, with the place, or returns as an error.
    ///
    /// Reference: <https://valkey.io/commands/eval/>
    pub fn eval<K: AsRef<[u8]>, A: AsRef<[u8]>>(
        &self,
        source: impl AsRef<[u8]>,
        keys: impl IntoIterator<Item = K>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Reply> {
        self.run_script(b"EVAL", source.as_ref(), &collect(keys), &collect(args))
    }

    /// Runs a script once, and refuses whatever of it would write.
    ///
    /// # Errors
    /// It does not compile; what it raises, with the place, or returns as an error.
    ///
    /// Reference: <https://valkey.io/commands/eval_ro/>
    pub fn eval_ro<K: AsRef<[u8]>, A: AsRef<[u8]>>(
        &self,
        source: impl AsRef<[u8]>,
        keys: impl IntoIterator<Item = K>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Reply> {
        self.run_script(b"EVAL_RO", source.as_ref(), &collect(keys), &collect(args))
    }

    /// Compiles a script for `EVALSHA`; its digest.
    ///
    /// # Errors
    /// It does not compile.
    ///
    /// Reference: <https://valkey.io/commands/script-load/>
    pub fn script_load(&self, source: impl AsRef<[u8]>) -> Result<Bytes> {
        reply::string(self.run(&[b"SCRIPT", b"LOAD", source.as_ref()])?)
    }

    /// Whether `EVALSHA` finds the scripts of these digests.
    ///
    /// # Errors
    /// [`Error::ReentrantCall`].
    ///
    /// Reference: <https://valkey.io/commands/script-exists/>
    pub fn script_exists<D: AsRef<[u8]>>(&self, digests: impl IntoIterator<Item = D>) -> Result<Vec<bool>> {
        let digests = collect(digests);
        let mut argv: Argv<'_> = [&b"SCRIPT"[..], b"EXISTS"].into_iter().collect();
        argv.extend(digests.iter().map(AsRef::as_ref));
        reply::list(self.run(&argv)?, reply::flag)
    }

    /// Forgets all scripts; those that you hold compile themselves again.
    ///
    /// # Errors
    /// [`Error::ReentrantCall`].
    ///
    /// Reference: <https://valkey.io/commands/script-flush/>
    pub fn script_flush(&self) -> Result<()> {
        reply::ok(self.run(&[b"SCRIPT", b"FLUSH"])?)
    }

    /// Ends the script that runs, on whatever thread, unless it has written.
    ///
    /// # Errors
    /// `NOTBUSY` where there is none, `UNKILLABLE` where it has written.
    ///
    /// Reference: <https://valkey.io/commands/script-kill/>
    pub fn script_kill(&self) -> Result<()> {
        reply::ok(self.run(&[b"SCRIPT", b"KILL"])?)
    }

    /// Loads a library of functions, in the place of one of its name where `replace` says so; its name.
    ///
    /// ```
    /// use damselfly::{Damselfly, reply::Reply};
    /// let db = Damselfly::in_memory();
    /// db.function_load(
    ///     "#!lua name=counters
    ///      redis.register_function('bump', function(keys, args)
    ///          return redis.call('INCRBY', keys[1], args[1])
    ///      end)",
    ///     false,
    /// )?;
    /// assert_eq!(db.fcall("bump", ["n"], ["3"])?, Reply::Int(3));
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// It does not say its name, does not load, registers nothing, or a name of it is taken.
    ///
    /// Reference: <https://valkey.io/commands/function-load/>
    pub fn function_load(&self, code: impl AsRef<[u8]>, replace: bool) -> Result<Bytes> {
        let argv: [&[u8]; 4] = [b"FUNCTION", b"LOAD", b"REPLACE", code.as_ref()];
        reply::string(if replace { self.run(&argv)? } else { self.run(&[argv[0], argv[1], argv[3]])? })
    }

    /// Calls a function.
    ///
    /// # Errors
    /// There is none of this name; what it raises, with the place, or returns as an error.
    ///
    /// Reference: <https://valkey.io/commands/fcall/>
    pub fn fcall<K: AsRef<[u8]>, A: AsRef<[u8]>>(
        &self,
        name: impl AsRef<[u8]>,
        keys: impl IntoIterator<Item = K>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Reply> {
        self.run_script(b"FCALL", name.as_ref(), &collect(keys), &collect(args))
    }

    /// Calls a function that has said that it does not write.
    ///
    /// # Errors
    /// There is none of this name, or it may write; what it raises or returns as an error.
    ///
    /// Reference: <https://valkey.io/commands/fcall_ro/>
    pub fn fcall_ro<K: AsRef<[u8]>, A: AsRef<[u8]>>(
        &self,
        name: impl AsRef<[u8]>,
        keys: impl IntoIterator<Item = K>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Reply> {
        self.run_script(b"FCALL_RO", name.as_ref(), &collect(keys), &collect(args))
    }

    /// Deletes a library with its functions.
    ///
    /// # Errors
    /// There is none of this name.
    ///
    /// Reference: <https://valkey.io/commands/function-delete/>
    pub fn function_delete(&self, name: impl AsRef<[u8]>) -> Result<()> {
        reply::ok(self.run(&[b"FUNCTION", b"DELETE", name.as_ref()])?)
    }

    /// Deletes all libraries.
    ///
    /// # Errors
    /// [`Error::ReentrantCall`].
    ///
    /// Reference: <https://valkey.io/commands/function-flush/>
    pub fn function_flush(&self) -> Result<()> {
        reply::ok(self.run(&[b"FUNCTION", b"FLUSH"])?)
    }

    /// The libraries whose names match a pattern (`*` for all), as `FUNCTION LIST` shows them.
    ///
    /// # Errors
    /// [`Error::ReentrantCall`].
    ///
    /// Reference: <https://valkey.io/commands/function-list/>
    pub fn function_list(&self, pattern: impl AsRef<[u8]>) -> Result<Reply> {
        self.run(&[b"FUNCTION", b"LIST", b"LIBRARYNAME", pattern.as_ref()])
    }

    /// All libraries as bytes.
    ///
    /// # Errors
    /// [`Error::ReentrantCall`].
    ///
    /// Reference: <https://valkey.io/commands/function-dump/>
    pub fn function_dump(&self) -> Result<Bytes> {
        reply::string(self.run(&[b"FUNCTION", b"DUMP"])?)
    }

    /// Loads libraries from such bytes beside those that are there: all, or none where one is refused.
    ///
    /// # Errors
    /// The bytes are none of that kind, or a name is taken.
    ///
    /// Reference: <https://valkey.io/commands/function-restore/>
    pub fn function_restore(&self, bytes: impl AsRef<[u8]>) -> Result<()> {
        reply::ok(self.run(&[b"FUNCTION", b"RESTORE", bytes.as_ref()])?)
    }

    /// Ends the function that runs, on whatever thread, unless it has written.
    ///
    /// # Errors
    /// `NOTBUSY` where there is none, `UNKILLABLE` where it has written.
    ///
    /// Reference: <https://valkey.io/commands/function-kill/>
    pub fn function_kill(&self) -> Result<()> {
        reply::ok(self.run(&[b"FUNCTION", b"KILL"])?)
    }

    /// A command, what it runs, the number of keys, keys and arguments.
    fn run_script<K: AsRef<[u8]>, A: AsRef<[u8]>>(
        &self,
        command: &[u8],
        what: &[u8],
        keys: &[K],
        args: &[A],
    ) -> Result<Reply> {
        let mut count = itoa::Buffer::new();
        let mut argv: Argv<'_> = [command, what, count.format(keys.len()).as_bytes()].into_iter().collect();
        argv.extend(keys.iter().map(AsRef::as_ref));
        argv.extend(args.iter().map(AsRef::as_ref));
        match self.run(&argv)? {
            Reply::Error(text) => Err(CommandError::from(text).into()),
            other => Ok(other),
        }
    }
}
