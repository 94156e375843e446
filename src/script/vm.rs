//! The Lua state: what scripts find in it, and what they do not.
//!
//! Scripts share one state and must not leave anything to each other, so whatever they all see cannot be written. Lua
//! 5.1 has no such tables; a shared table is shown as an empty one whose metatable looks the rest up and refuses
//! writes ([`Shields`]). The functions that look behind metatables (`rawset`, `pairs`, …) know of them. `table.insert`
//! and its like do not: what they leave in an empty table is taken out by [`Vm::sweep`].
//!
//! Everything that reaches the system, loads bytecode or reads another function's environment is left out, as in
//! Redis. Functions in Rust run without the limit on memory, which would make each of their steps a protected call:
//! what they make is bounded by what they were given.

use super::given::{Given, type_name};
use super::{raise, redis};
use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaOptions, MultiValue, Result, StdLib, Table, Value};
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Memory that scripts, functions and what they hold may take. A script that needs more ends with "not enough memory".
pub(super) const BYTES_MAX: usize = 256 << 20;
/// A state that has grown beyond this is collected at the end of the script.
const BYTES_KEPT: usize = 32 << 20;

/// A Lua state and its tables.
pub(super) struct Vm {
    pub lua: Lua,
    /// Calls a function and catches what it raises.
    pub run: Function,
    /// The environment of scripts, empty; and what it shows.
    pub env: Table,
    pub globals: Table,
    /// The environment of functions' libraries, whose metatable shows one thing while they are loaded and another
    /// when they run.
    pub library_env: Table,
    library_meta: Table,
    library_run: Table,
    library_load: Table,
    shields: Arc<Shields>,
}

/// Tables that cannot be written.
#[derive(Default)]
struct Shields {
    /// What stands behind an empty table, by its address.
    behind: HashMap<usize, Table>,
    /// What `getmetatable` shows of environments, and of strings.
    meta: HashMap<usize, Table>,
    string_meta: Option<Table>,
    all: Vec<Table>,
}

fn address(pointer: *const c_void) -> usize {
    pointer as usize
}

impl Shields {
    fn behind(&self, table: &Table) -> Option<&Table> {
        self.behind.get(&address(table.to_pointer()))
    }
}

/// The random numbers of scripts: `lrand48`, the same in every engine and sown by nobody but scripts.
#[derive(Debug, Default)]
struct Random(AtomicU64);

impl Random {
    fn seed(&self, seed: i32) {
        self.0.store(u64::from(seed as u32) << 16 | 0x330E, Ordering::Relaxed);
    }

    /// The next of 31 bits.
    fn next(&self) -> u32 {
        let state =
            self.0.load(Ordering::Relaxed).wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & ((1 << 48) - 1);
        self.0.store(state, Ordering::Relaxed);
        (state >> 17) as u32
    }

    fn unit(&self) -> f64 {
        const MAX: u32 = i32::MAX as u32;
        f64::from(self.next() % MAX) / f64::from(MAX)
    }
}

/// A function for scripts.
pub(super) fn function<F>(lua: &Lua, f: F) -> Result<Function>
where
    F: Fn(&Lua, &Given<'_>) -> Result<MultiValue> + Send + 'static,
{
    lua.create_function(move |lua, values: MultiValue| relaxed(lua, || f(lua, &Given { lua, values })))
}

/// Runs `f` without the limit on memory.
pub(super) fn relaxed<R>(lua: &Lua, f: impl FnOnce() -> R) -> R {
    within(lua, 0, f)
}

/// Runs `f`, which calls back into a script, with it.
pub(super) fn limited<R>(lua: &Lua, f: impl FnOnce() -> R) -> R {
    within(lua, BYTES_MAX, f)
}

fn within<R>(lua: &Lua, limit: usize, f: impl FnOnce() -> R) -> R {
    let before = lua.set_memory_limit(limit);
    let result = f();
    if let Ok(before) = before {
        let _ = lua.set_memory_limit(before);
    }
    result
}

/// The pair behind a key of a table, the first one behind nil.
pub(super) fn next(table: &Table, key: &Value) -> Result<Option<(Value, Value)>> {
    let Some(lua) = table.weak_lua().try_upgrade() else { return Ok(None) };
    let next: Function = lua.named_registry_value(NEXT)?;
    let (key, value): (Value, Value) = next.call((table, key))?;
    Ok((!key.is_nil()).then_some((key, value)))
}

/// Where Lua's `next` is kept.
const NEXT: &str = "damselfly.next";

/// One value for a script.
pub(super) fn one(lua: &Lua, value: impl mlua::IntoLua) -> Result<MultiValue> {
    Ok(MultiValue::from_vec(vec![value.into_lua(lua)?]))
}

/// Nothing for a script.
pub(super) fn none() -> Result<MultiValue> {
    Ok(MultiValue::new())
}

/// What scripts find of Lua's own: as in Redis, which leaves out the same.
const BASE: &[&str] = &[
    "_VERSION", "assert", "error", "ipairs", "next", "rawequal", "select", "tonumber", "tostring", "type",
    "unpack",
];
const LIBRARIES: &[&str] = &["string", "table", "math", "coroutine"];

impl Vm {
    pub(super) fn new() -> Result<Vm> {
        let libs = StdLib::STRING | StdLib::TABLE | StdLib::MATH | StdLib::OS;
        let lua = Lua::new_with(libs, LuaOptions::new().catch_rust_panics(false))?;
        let native = lua.globals();
        lua.set_named_registry_value(NEXT, native.raw_get::<Value>("next")?)?;
        let base = lua.create_table()?;
        for name in BASE {
            base.raw_set(*name, native.raw_get::<Value>(*name)?)?;
        }
        let mut shields = Shields::default();
        let random = Arc::new(Random::default());
        let refuse = function(&lua, |lua, _| Err(raise::error(lua, "Attempt to modify a readonly table")))?;
        let missing = function(&lua, |lua, given| {
            let name = given.get(2).to_string().unwrap_or_default();
            Err(raise::error(lua, format!("Script attempted to access nonexistent global variable '{name}'")))
        })?;

        let string: Table = native.raw_get("string")?;
        super::strings::install(&lua, &string)?;
        let math: Table = native.raw_get("math")?;
        install_random(&lua, &math, &random)?;
        let coroutine: Table = native.raw_get("coroutine")?;
        base.raw_set("coroutine", &coroutine)?;
        let run: Function = {
            let value = function(&lua, |lua, given| one(lua, raise::value(lua, given.get(1).clone())?))?;
            let text = function(&lua, |lua, given| one(lua, raise::text(lua, given.get(1).clone())?))?;
            let handler = function(&lua, |lua, given| one(lua, handle(lua, given.get(1))?))?;
            let chunk = lua.load(include_str!("bootstrap.lua")).set_name("=bootstrap");
            chunk.call((&base, value, text, handler))?
        };
        let os: Table = native.raw_get("os")?;
        let clock = lua.create_table()?;
        clock.raw_set("clock", os.raw_get::<Value>("clock")?)?;
        let bit = super::bit::library(&lua)?;
        let cjson = super::cjson::library(&lua)?;
        let cmsgpack = super::cmsgpack::library(&lua)?;
        let structs = super::structs::library(&lua)?;

        let mut shown = Vec::new();
        let shield = |shields: &mut Shields, real: &Table| shields.add(&lua, real, &refuse);
        for name in LIBRARIES {
            shown.push((*name, shield(&mut shields, &native.raw_get(*name)?)?));
        }
        for (name, real) in
            [("os", clock), ("bit", bit), ("cjson", cjson), ("cmsgpack", cmsgpack), ("struct", structs)]
        {
            shown.push((name, shield(&mut shields, &real)?));
        }
        install_collector(&lua, &base)?;
        for (name, table) in &shown {
            base.raw_set(*name, table)?;
        }

        // What scripts see, and what functions see: the same but for `redis`, `KEYS` and `ARGV`.
        let environment =
            |shields: &mut Shields, extra: &[(&str, &Table)]| -> Result<(Table, Table, Table)> {
                let globals = lua.create_table()?;
                base.for_each(|name: Value, value: Value| globals.raw_set(name, value))?;
                for (name, table) in extra {
                    globals.raw_set(*name, *table)?;
                }
                let (env, meta) = shields.environment(&lua, &globals, &refuse, &missing)?;
                globals.raw_set("_G", &env)?;
                Ok((env, meta, globals))
            };
        let api = shield(&mut shields, &redis::library(&lua, redis::Face::Script)?)?;
        let (env, _, globals) = environment(&mut shields, &[("redis", &api), ("server", &api)])?;
        let api = shield(&mut shields, &redis::library(&lua, redis::Face::Function)?)?;
        let (library_env, library_meta, library_run) =
            environment(&mut shields, &[("redis", &api), ("server", &api)])?;
        let api = redis::library(&lua, redis::Face::Load)?;
        let strict = lua.create_table()?;
        strict.raw_set("__index", &missing)?;
        api.set_metatable(Some(strict.clone()))?;
        let api = shield(&mut shields, &api)?;
        let library_load = lua.create_table()?;
        library_load.set_metatable(Some(strict))?;
        library_load.raw_set("redis", &api)?;
        library_load.raw_set("server", &api)?;

        let string_meta = lua.create_table()?;
        string_meta.raw_set("__index", base.raw_get::<Table>("string")?)?;
        shields.string_meta = Some(shields.add(&lua, &string_meta, &refuse)?);

        let shields = Arc::new(shields);
        for (globals, env) in [(&globals, &env), (&library_run, &library_env)] {
            install_guards(&lua, globals, env, &shields)?;
        }
        // As on a server that has just started.
        random.0.store(0x1234_ABCD_330E, Ordering::Relaxed);
        Ok(Vm { lua, run, env, globals, library_env, library_meta, library_run, library_load, shields })
    }

    /// Has the environment of libraries show what there is while one is loaded, or what there is when one runs.
    pub(super) fn show_library(&self, loading: bool) -> Result<()> {
        self.library_meta.raw_set("__index", if loading { &self.library_load } else { &self.library_run })
    }

    /// Takes out what a script may have left where it should not, and memory that it does not need any more.
    pub(super) fn sweep(&self) {
        for table in &self.shields.all {
            if !table.is_empty() {
                let meta = table.metatable();
                // Clearing asks for a table without a metatable that hides what it has.
                let _ = table.set_metatable(None).and_then(|()| table.clear());
                let _ = table.set_metatable(meta);
            }
        }
        if self.lua.used_memory() > BYTES_KEPT {
            let _ = relaxed(&self.lua, || self.lua.gc_collect());
        }
    }

    /// Compiles a text, never bytecode.
    pub(super) fn compile(&self, source: &[u8], name: &str, env: &Table) -> Result<Function> {
        relaxed(&self.lua, || compile(&self.lua, source, name.as_bytes(), env))
    }
}

fn compile(lua: &Lua, source: &[u8], name: &[u8], env: &Table) -> Result<Function> {
    let name = String::from_utf8_lossy(name.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned();
    lua.load(source).set_mode(ChunkMode::Text).set_name(name).set_environment(env.clone()).into_function()
}

impl Shields {
    /// An empty table that shows `real` and refuses writes.
    fn add(&mut self, lua: &Lua, real: &Table, refuse: &Function) -> Result<Table> {
        let shield = lua.create_table()?;
        let meta = lua.create_table()?;
        meta.raw_set("__index", real)?;
        meta.raw_set("__newindex", refuse)?;
        shield.set_metatable(Some(meta))?;
        self.behind.insert(address(shield.to_pointer()), real.clone());
        self.all.push(shield.clone());
        Ok(shield)
    }

    /// An environment that shows `globals` and raises an error for what is not there; its metatable as well.
    fn environment(
        &mut self,
        lua: &Lua,
        globals: &Table,
        refuse: &Function,
        missing: &Function,
    ) -> Result<(Table, Table)> {
        let strict = lua.create_table()?;
        strict.raw_set("__index", missing)?;
        globals.set_metatable(Some(strict.clone()))?;
        let env = self.add(lua, globals, refuse)?;
        let shown = self.add(lua, &strict, refuse)?;
        self.meta.insert(address(env.to_pointer()), shown);
        let meta = env.metatable().unwrap_or(strict);
        Ok((env, meta))
    }
}

/// The functions that look behind metatables, and those that load.
fn install_guards(lua: &Lua, globals: &Table, env: &Table, shields: &Arc<Shields>) -> Result<()> {
    let native_next: Function = lua.globals().raw_get("next")?;
    let seen = Arc::clone(shields);
    let next_native = native_next.clone();
    let next_behind = lua.create_function(move |_, (table, key): (Table, Value)| {
        let table = seen.behind(&table).unwrap_or(&table);
        next_native.call::<MultiValue>((table, key))
    })?;
    let seen = Arc::clone(shields);
    let pairs = function(lua, move |_, given| {
        let table = given.table(1)?;
        let next = if seen.behind(table).is_some() { &next_behind } else { &native_next };
        Ok(MultiValue::from_vec(vec![Value::Function(next.clone()), Value::Table(table.clone()), Value::Nil]))
    })?;
    globals.raw_set("pairs", pairs)?;
    let seen = Arc::clone(shields);
    let rawget = function(lua, move |lua, given| {
        let table = given.table(1)?;
        let key = given.any(2)?;
        one(lua, seen.behind(table).unwrap_or(table).raw_get::<Value>(key)?)
    })?;
    globals.raw_set("rawget", rawget)?;
    let seen = Arc::clone(shields);
    let rawset = function(lua, move |lua, given| {
        let table = given.table(1)?;
        let (key, value) = (given.any(2)?, given.any(3)?);
        if seen.behind(table).is_some() {
            return Err(raise::plain("Attempt to modify a readonly table"));
        }
        match key {
            Value::Nil => return Err(raise::plain("table index is nil")),
            Value::Number(key) if key.is_nan() => return Err(raise::plain("table index is NaN")),
            _ => table.raw_set(key, value)?,
        }
        one(lua, table)
    })?;
    globals.raw_set("rawset", rawset)?;
    let seen = Arc::clone(shields);
    let setmetatable = function(lua, move |lua, given| {
        let table = given.table(1)?;
        let meta = match given.get(2) {
            Value::Table(meta) => Some(meta.clone()),
            Value::Nil if given.len() >= 2 => None,
            _ => return Err(given.wrong(2, "nil or table expected")),
        };
        if seen.behind(table).is_some() {
            return Err(raise::plain("Attempt to modify a readonly table"));
        }
        if let Some(before) = table.metatable()
            && !before.raw_get::<Value>("__metatable")?.is_nil()
        {
            return Err(raise::error(lua, "cannot change a protected metatable"));
        }
        table.set_metatable(meta)?;
        one(lua, table)
    })?;
    globals.raw_set("setmetatable", setmetatable)?;
    let seen = Arc::clone(shields);
    let getmetatable = function(lua, move |lua, given| match given.any(1)? {
        Value::Table(table) if seen.behind(table).is_some() => {
            one(lua, seen.meta.get(&address(table.to_pointer())).cloned())
        }
        Value::Table(table) => match table.metatable() {
            None => one(lua, Value::Nil),
            Some(meta) => match meta.raw_get("__metatable")? {
                Value::Nil => one(lua, meta),
                protected => one(lua, protected),
            },
        },
        Value::String(_) => one(lua, seen.string_meta.clone()),
        _ => one(lua, Value::Nil),
    })?;
    globals.raw_set("getmetatable", getmetatable)?;

    let scope = env.clone();
    let loadstring = function(lua, move |lua, given| {
        let source = given.string(1)?;
        let source = source.as_bytes();
        let name = if given.is_absent(2) { source.to_vec() } else { given.string(2)?.as_bytes().to_vec() };
        loaded(lua, &source, &name, &scope)
    })?;
    globals.raw_set("loadstring", loadstring)?;
    let scope = env.clone();
    let load = function(lua, move |lua, given| {
        let Value::Function(reader) = given.get(1) else {
            let got = if given.len() == 0 { "no value" } else { type_name(given.get(1)) };
            return Err(given.wrong(1, &format!("function expected, got {got}")));
        };
        let name =
            if given.is_absent(2) { b"=(load)".to_vec() } else { given.string(2)?.as_bytes().to_vec() };
        let mut source = Vec::new();
        loop {
            match limited(lua, || reader.call::<Value>(()))? {
                Value::Nil => break,
                Value::String(part) if part.as_bytes().is_empty() => break,
                Value::String(part) => source.extend_from_slice(&part.as_bytes()),
                part @ (Value::Integer(_) | Value::Number(_)) => {
                    source.extend(lua.coerce_string(part)?.iter().flat_map(|part| part.as_bytes().to_vec()));
                }
                _ => return Err(raise::plain("reader function must return a string")),
            }
            if source.len() > BYTES_MAX {
                return Err(raise::plain("not enough memory"));
            }
        }
        loaded(lua, &source, &name, &scope)
    })?;
    globals.raw_set("load", load)
}

/// What `loadstring` returns: the function, or nil and why not.
fn loaded(lua: &Lua, source: &[u8], name: &[u8], env: &Table) -> Result<MultiValue> {
    let result = if source.first() == Some(&0x1B) {
        // Bytecode is taken for text, which it is not.
        let shown = compile(lua, b"\x01", name, env);
        shown.map_err(|error| error.to_string().replace("char(1)", "char(27)"))
    } else {
        compile(lua, source, name, env).map_err(|error| raise::behind(&error).to_string())
    };
    match result {
        Ok(function) => one(lua, function),
        Err(text) => {
            let text = text.strip_prefix("syntax error: ").unwrap_or(&text);
            Ok(MultiValue::from_vec(vec![Value::Nil, Value::String(lua.create_string(text)?)]))
        }
    }
}

/// `collectgarbage` and `gcinfo`: scripts may look at the collector and have it run, and not stop it.
fn install_collector(lua: &Lua, base: &Table) -> Result<()> {
    let collect = function(lua, |lua, given| {
        let option = if given.is_absent(1) { None } else { Some(given.string(1)?) };
        let option = option.map(|option| option.as_bytes().to_vec()).unwrap_or_else(|| b"collect".to_vec());
        match &*option {
            b"collect" => {
                lua.gc_collect()?;
                one(lua, 0)
            }
            b"count" => one(lua, lua.used_memory() as f64 / 1024.0),
            b"step" => one(lua, lua.gc_step()?),
            b"stop" | b"restart" => one(lua, 0),
            b"setpause" | b"setstepmul" => one(lua, 200),
            other => Err(given.wrong(1, &format!("invalid option '{}'", String::from_utf8_lossy(other)))),
        }
    })?;
    base.raw_set("collectgarbage", collect)?;
    base.raw_set("gcinfo", function(lua, |lua, _| one(lua, (lua.used_memory() / 1024) as i64))?)
}

fn install_random(lua: &Lua, math: &Table, random: &Arc<Random>) -> Result<()> {
    let source = Arc::clone(random);
    let next = function(lua, move |lua, given| {
        let unit = source.unit();
        match given.len() {
            0 => one(lua, unit),
            1 => {
                let upper = given.int(1)? as i32;
                if upper < 1 {
                    return Err(given.wrong(1, "interval is empty"));
                }
                one(lua, (unit * f64::from(upper)).floor() + 1.0)
            }
            2 => {
                let (lower, upper) = (given.int(1)? as i32, given.int(2)? as i32);
                if lower > upper {
                    return Err(given.wrong(2, "interval is empty"));
                }
                let span = f64::from(upper.wrapping_sub(lower).wrapping_add(1));
                one(lua, (unit * span).floor() + f64::from(lower))
            }
            _ => Err(raise::error(lua, "wrong number of arguments")),
        }
    })?;
    math.raw_set("random", next)?;
    let source = Arc::clone(random);
    let seed = function(lua, move |_, given| {
        source.seed(given.int(1)? as i32);
        none()
    })?;
    math.raw_set("randomseed", seed)
}

/// Turns what a script raised into a table with `err`, and adds where that was.
fn handle(lua: &Lua, raised: &Value) -> Result<Value> {
    let table = match raise::value(lua, raised.clone())? {
        Value::Table(table) => table,
        other => {
            let mut text = b"ERR ".to_vec();
            match &other {
                Value::String(raised) => text.extend_from_slice(&raised.as_bytes()),
                other => text.extend_from_slice(other.to_string().unwrap_or_default().as_bytes()),
            }
            let table = lua.create_table()?;
            table.raw_set("err", lua.create_string(text)?)?;
            table
        }
    };
    if let Some((source, line)) = raise::place(lua) {
        let table = &table;
        table.raw_set("source", source)?;
        table.raw_set("line", line)?;
    }
    Ok(Value::Table(table))
}
