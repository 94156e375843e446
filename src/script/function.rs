//! Functions: libraries of them that are loaded once and called by name.
//!
//! A library's code registers its functions while it is loaded, when it finds nothing but `redis.register_function` and
//! `redis.log`. Whatever it does is for nothing unless all of it goes well: it takes its place once it has run.
//!
//! Names of libraries are told apart by case, those of functions are not, and no two libraries have a function of the
//! same name.

use super::given::Given;
use super::host::{HOST, Host};
use super::raise::{self, Failure};
use super::vm::{limited, none};
use super::{About, Arguments, FLAGS, Flags, Scripts, State, failed, sequence};
use crate::clock::Stopwatch;
use crate::command::error::CommandError;
use crate::command::script::RestorePolicy;
use crate::engine::{Reach, Session};
use crate::glob;
use crate::reply::{Protocol, Sink};
use mlua::{Function, Lua, MultiValue, RegistryKey, Value};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How long a library may take to load.
const LOAD_TIME_MAX: Duration = Duration::from_millis(500);

/// The libraries, by name.
#[derive(Debug, Default)]
pub(super) struct Libraries {
    libraries: BTreeMap<String, Library>,
    /// Which library a function is of, by its name in small letters.
    owners: HashMap<Vec<u8>, String>,
}

#[derive(Debug)]
struct Library {
    code: Box<[u8]>,
    functions: Vec<Registered>,
}

#[derive(Debug)]
struct Registered {
    name: Vec<u8>,
    description: Option<Vec<u8>>,
    flags: Flags,
    function: RegistryKey,
}

impl Libraries {
    /// How many libraries and how many functions.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.libraries.len(), self.owners.len())
    }

    fn find(&self, name: &[u8]) -> Option<&Registered> {
        let owner = self.owners.get(&name.to_ascii_lowercase())?;
        self.libraries.get(owner)?.functions.iter().find(|function| function.name.eq_ignore_ascii_case(name))
    }

    /// A function that another library than `except` has as well.
    fn taken<'l>(&self, library: &'l Library, except: &str) -> Option<&'l [u8]> {
        let functions = library.functions.iter().map(|function| &*function.name);
        functions
            .into_iter()
            .find(|name| self.owners.get(&name.to_ascii_lowercase()).is_some_and(|owner| owner != except))
    }

    fn insert(&mut self, name: String, library: Library) {
        self.remove(&name);
        for function in &library.functions {
            self.owners.insert(function.name.to_ascii_lowercase(), name.clone());
        }
        self.libraries.insert(name, library);
    }

    fn remove(&mut self, name: &str) -> bool {
        let Some(library) = self.libraries.remove(name) else { return false };
        for function in &library.functions {
            self.owners.remove(&function.name.to_ascii_lowercase());
        }
        true
    }
}

impl Scripts {
    /// Loads a library and returns its name (`FUNCTION LOAD`).
    pub(crate) fn load_library(&self, code: &[u8], replace: bool) -> Result<String, CommandError> {
        let (name, body) = metadata(code)?;
        let mut state = self.state()?;
        if !replace && state.libraries.libraries.contains_key(&name) {
            return Err(format!("ERR Library '{name}' already exists").into());
        }
        let library = state.load_library(code, body)?;
        if let Some(taken) = state.libraries.taken(&library, &name) {
            return Err(format!("ERR Function {} already exists", String::from_utf8_lossy(taken)).into());
        }
        state.libraries.insert(name.clone(), library);
        state.collect();
        self.note(&state);
        Ok(name)
    }

    /// Forgets a library (`FUNCTION DELETE`).
    pub(crate) fn delete_library(&self, name: &[u8]) -> Result<(), CommandError> {
        let mut state = self.state()?;
        if !std::str::from_utf8(name).is_ok_and(|name| state.libraries.remove(name)) {
            return Err(CommandError::text("ERR Library not found"));
        }
        state.collect();
        self.note(&state);
        Ok(())
    }

    /// Forgets all libraries (`FUNCTION FLUSH`).
    pub(crate) fn flush_libraries(&self) {
        if let Some(state) = &mut *self.state.lock() {
            state.libraries = Libraries::default();
            state.collect();
            self.note(state);
        }
    }

    /// Writes what libraries there are (`FUNCTION LIST`).
    pub(crate) fn list_libraries(&self, pattern: Option<&[u8]>, with_code: bool, out: &mut dyn Sink) {
        let state = self.state.lock();
        let Some(state) = &*state else { return out.array(0) };
        let matching =
            |name: &str| pattern.is_none_or(|pattern| glob::matches(pattern, name.as_bytes(), true));
        let libraries: Vec<_> = state.libraries.libraries.iter().filter(|(name, _)| matching(name)).collect();
        out.array(libraries.len());
        for (name, library) in libraries {
            out.map(if with_code { 4 } else { 3 });
            out.bulk(b"library_name");
            out.bulk(name.as_bytes());
            out.bulk(b"engine");
            out.bulk(b"LUA");
            out.bulk(b"functions");
            out.array(library.functions.len());
            for function in &library.functions {
                out.map(3);
                out.bulk(b"name");
                out.bulk(&function.name);
                out.bulk(b"description");
                match &function.description {
                    Some(description) => out.bulk(description),
                    None => out.null(),
                }
                out.bulk(b"flags");
                let names = FLAGS.iter().enumerate().filter(|(bit, _)| function.flags.has(1 << bit));
                out.set(names.clone().count());
                names.for_each(|(_, name)| out.simple(name));
            }
            if with_code {
                out.bulk(b"library_code");
                out.bulk(&library.code);
            }
        }
    }

    /// All libraries as bytes (`FUNCTION DUMP`).
    pub(crate) fn dump_libraries(&self) -> Vec<u8> {
        let state = self.state.lock();
        let libraries = state.iter().flat_map(|state| state.libraries.libraries.values());
        super::payload::write(libraries.map(|library| &*library.code))
    }

    /// Loads libraries from such bytes, all or none (`FUNCTION RESTORE`).
    pub(crate) fn restore_libraries(&self, data: &[u8], policy: RestorePolicy) -> Result<(), CommandError> {
        let codes = super::payload::read(data)?;
        let mut state = self.state()?;
        let mut loaded = Libraries::default();
        for code in &codes {
            let (name, body) = metadata(code)?;
            if loaded.libraries.contains_key(&name) {
                return Err(format!("ERR Library '{name}' already exists").into());
            }
            let library = state.load_library(code, body)?;
            if let Some(taken) = loaded.taken(&library, &name) {
                return Err(format!("ERR Function {} already exists", String::from_utf8_lossy(taken)).into());
            }
            loaded.insert(name, library);
        }
        if policy == RestorePolicy::Flush {
            state.libraries = loaded;
        } else {
            // Nothing is changed before it is clear that all of it can be.
            for (name, library) in &loaded.libraries {
                let present = state.libraries.libraries.contains_key(name);
                if present && policy == RestorePolicy::Append {
                    return Err(format!("ERR Library {name} already exists").into());
                }
                for function in &library.functions {
                    let owner = state.libraries.owners.get(&function.name.to_ascii_lowercase());
                    if owner.is_some_and(|owner| !loaded.libraries.contains_key(owner)) {
                        let name = String::from_utf8_lossy(&function.name);
                        return Err(format!("ERR Function {name} already exists").into());
                    }
                }
            }
            for name in loaded.libraries.keys() {
                state.libraries.remove(name);
            }
            for (name, library) in loaded.libraries {
                state.libraries.insert(name, library);
            }
        }
        state.collect();
        self.note(&state);
        Ok(())
    }

    /// Whether there is a function of this name.
    ///
    /// # Errors
    /// The interpreter cannot be had.
    pub(crate) fn has_function(&self, name: &[u8]) -> Result<bool, CommandError> {
        Ok(self.state()?.libraries.find(name).is_some())
    }

    /// Calls a function (`FCALL`, `FCALL_RO`).
    pub(crate) fn call(
        &self,
        session: &mut Session,
        reach: &mut Reach<'_, '_>,
        name: &[u8],
        arguments: Arguments<'_>,
        out: &mut dyn Sink,
    ) -> Result<(), CommandError> {
        let out_of_memory = reach.is_out_of_memory_now();
        reach.inside_all(session.db, |entered, pump| {
            let mut state = self.state()?;
            let state = &mut *state;
            state.runs += 1;
            let found = state.libraries.find(name).ok_or(CommandError::text("ERR Function not found"))?;
            let flags = found.flags;
            let limits =
                flags.limits(arguments.read_only, out_of_memory, entered.engine().cluster().is_on())?;
            let lua = &state.vm.lua;
            let prepared = lua.registry_value::<Function>(&found.function).and_then(|function| {
                Ok((function, sequence(lua, arguments.keys)?, sequence(lua, arguments.args)?))
            });
            let (function, keys, args) = prepared.map_err(|error| failed(&error))?;
            let name = String::from_utf8_lossy(&found.name).into_owned();
            let about = About { name: &name, argv: arguments.argv, is_function: true };
            let call = |run: &Function| run.call::<MultiValue>((function, keys, args));
            let result = state.run(session, entered, pump, about, limits, call, out);
            self.note(state);
            result
        })?
    }
}

impl State {
    /// Runs a library's code and takes what it registers.
    fn load_library(&mut self, code: &[u8], body: &[u8]) -> Result<Library, CommandError> {
        let vm = &self.vm;
        let function = vm.compile(body, "@user_function", &vm.library_env).map_err(|error| {
            CommandError::from(format!("ERR Error compiling function: {}", raise::behind(&error)))
        })?;
        let mut loader =
            Loader { lua: &vm.lua, functions: Vec::new(), watch: Stopwatch::start(), killed: false };
        vm.show_library(true).map_err(|error| failed(&error))?;
        let result = HOST.set(&mut loader, || limited(&vm.lua, || vm.run.call::<MultiValue>(function)));
        let shown = vm.show_library(false);
        if loader.killed {
            super::arm(&vm.lua).map_err(|error| failed(&error))?;
        }
        shown.map_err(|error| failed(&error))?;
        let functions = loader.functions;
        let mut values = result.map_err(|error| failed(&error))?.into_iter();
        if values.next() != Some(Value::Boolean(true)) {
            let error = match values.next() {
                Some(Value::Table(table)) => super::answer::failure(&table).ok().flatten(),
                _ => None,
            };
            let text = error.map_or_else(|| b"ERR execution failure".to_vec(), |failure| failure.text);
            return Err(format!("ERR Error registering functions: {}", String::from_utf8_lossy(&text)).into());
        }
        if functions.is_empty() {
            return Err(CommandError::text("ERR No functions registered"));
        }
        Ok(Library { code: code.into(), functions })
    }
}

/// A library that is being loaded.
struct Loader<'l> {
    lua: &'l Lua,
    functions: Vec<Registered>,
    watch: Stopwatch,
    killed: bool,
}

impl Host for Loader<'_> {
    fn call(&mut self, _: &Lua, _: &Given<'_>) -> Result<mlua::Result<(Value, bool)>, Failure> {
        Err(Failure { text: b"ERR a library runs no commands while it is loaded".to_vec(), counted: false })
    }

    fn may_run(&mut self, _: &[&[u8]]) -> Option<bool> {
        None
    }

    fn set_protocol(&mut self, _: Protocol) {}

    fn register(
        &mut self,
        name: Vec<u8>,
        function: Function,
        description: Option<Vec<u8>>,
        bits: u32,
    ) -> Result<(), String> {
        if !is_name(&name) {
            return Err("Library names can only contain letters, numbers, or underscores(_) and must be at least one \
                        character long"
                .to_owned());
        }
        if self.functions.iter().any(|function| function.name.eq_ignore_ascii_case(&name)) {
            return Err("Function already exists in the library".to_owned());
        }
        let function = self.lua.create_registry_value(function).map_err(|error| error.to_string())?;
        let flags = Flags { bits, declared: true };
        self.functions.push(Registered { name, description, flags, function });
        Ok(())
    }

    fn tick(&mut self) -> Option<&'static str> {
        self.killed |= self.watch.elapsed() > LOAD_TIME_MAX;
        self.killed.then_some("ERR FUNCTION LOAD timeout")
    }
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// The name that a library's first line gives it, and what is behind that line.
fn metadata(code: &[u8]) -> Result<(String, &[u8]), CommandError> {
    if !code.starts_with(b"#!") {
        return Err(CommandError::text("ERR Missing library metadata"));
    }
    let end = memchr::memchr(b'\n', code).ok_or(CommandError::text("ERR Invalid library metadata"))?;
    let (line, body) = code.split_at(end);
    let line = String::from_utf8_lossy(line.get(2..).unwrap_or_default());
    let mut words = line.split_ascii_whitespace();
    let engine = words.next().unwrap_or_default();
    let mut name: Option<&str> = None;
    for word in words {
        let prefix = word.get(..5).is_some_and(|prefix| prefix.eq_ignore_ascii_case("name="));
        match prefix.then(|| word.get(5..)).flatten() {
            Some(_) if name.is_some() => {
                return Err(CommandError::text(
                    "ERR Invalid metadata value, name argument was given multiple times",
                ));
            }
            Some(given) => name = Some(given),
            None => return Err(format!("ERR Invalid metadata value given: {word}").into()),
        }
    }
    let name = name.ok_or(CommandError::text("ERR Library name was not given"))?;
    if !is_name(name.as_bytes()) {
        return Err(CommandError::text(
            "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character \
             long",
        ));
    }
    if !engine.eq_ignore_ascii_case("lua") {
        return Err(format!("ERR Engine '{engine}' not found").into());
    }
    Ok((name.to_owned(), body))
}

/// `redis.register_function`.
pub(super) fn register(given: &Given<'_>) -> mlua::Result<MultiValue> {
    let refused = |text: &str| Err(raise::reply(format!("ERR {text}")));
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(_) | Value::Number(_) => value.to_string().ok().map(String::into_bytes),
        _ => None,
    };
    let (name, function, description, flags) = match given.len() {
        1 => {
            let Value::Table(table) = given.get(1) else {
                return refused(
                    "calling redis.register_function with a single argument is only applicable to Lua table \
                     (representing named arguments).",
                );
            };
            let (mut name, mut function, mut description, mut flags) = (None, None, None, 0);
            let mut wrong: Option<String> = None;
            table.for_each(|key: Value, value: Value| {
                if wrong.is_some() {
                    return Ok(());
                }
                let key = match &key {
                    Value::String(key) => key.to_string_lossy(),
                    _ => String::new(),
                };
                let fault = match &*key {
                    "function_name" => {
                        name = text(&value);
                        name.is_none().then_some("function_name argument given to redis.register_function must be a string")
                    }
                    "description" => {
                        description = text(&value);
                        description.is_none().then_some("description argument given to redis.register_function must be a string")
                    }
                    "callback" => match value {
                        Value::Function(given) => {
                            function = Some(given);
                            None
                        }
                        _ => Some("callback argument given to redis.register_function must be a function"),
                    },
                    "flags" => match &value {
                        Value::Table(table) => match bits(table)? {
                            Some(bits) => {
                                flags = bits;
                                None
                            }
                            None => Some("unknown flag given"),
                        },
                        _ => Some("flags argument to redis.register_function must be a table representing function flags"),
                    },
                    _ => Some("unknown argument given to redis.register_function"),
                };
                wrong = fault.map(str::to_owned);
                Ok(())
            })?;
            if let Some(wrong) = wrong {
                return refused(&wrong);
            }
            let Some(name) = name else {
                return refused("redis.register_function must get a function name argument");
            };
            let Some(function) = function else {
                return refused("redis.register_function must get a callback argument");
            };
            (name, function, description, flags)
        }
        2 => {
            let Some(name) = text(given.get(1)) else {
                return refused("first argument to redis.register_function must be a string");
            };
            let Value::Function(function) = given.get(2) else {
                return refused("second argument to redis.register_function must be a function");
            };
            (name, function.clone(), None, 0)
        }
        _ => return refused("wrong number of arguments to redis.register_function"),
    };
    if !HOST.is_set() {
        return refused("redis.register_function can only be called on FUNCTION LOAD command");
    }
    match HOST.with(|host| host.register(name, function, description, flags)) {
        Ok(()) => none(),
        Err(text) => refused(&text),
    }
}

/// The flags that a table lists.
fn bits(table: &mlua::Table) -> mlua::Result<Option<u32>> {
    let mut bits = 0;
    for at in 1.. {
        match table.raw_get(at)? {
            Value::Nil => break,
            Value::String(name) => match FLAGS.iter().position(|flag| flag.as_bytes() == &*name.as_bytes()) {
                Some(bit) => bits |= 1 << bit,
                None => return Ok(None),
            },
            _ => return Ok(None),
        }
    }
    Ok(Some(bits))
}
