//! `cjson`: JSON, as lua-cjson 2.1 writes and reads it, its settings included.
//!
//! The settings are the library's, not a script's: one that changes them changes them for all, as in Redis.

use super::given::{Given, to_int};
use super::number::general;
use super::raise;
use super::vm::{function, one};
use mlua::{Lua, MultiValue, Result, Table, Value};
use parking_lot::Mutex;
use std::sync::Arc;

/// Levels that are written or read, whatever the settings say: each that is open takes one of Lua's slots.
const DEPTH_MAX: i64 = 4000;
/// Levels that are written recursively, which is quicker; deeper ones are not.
const SHALLOW: i64 = 24;

#[derive(Clone, Copy, Debug)]
struct Settings {
    sparse_convert: bool,
    sparse_ratio: i64,
    sparse_safe: i64,
    encode_max_depth: i64,
    decode_max_depth: i64,
    precision: i64,
    keep_buffer: bool,
    /// What becomes of infinities and NaN: 0 is refused, 1 is written, 2 becomes null.
    encode_invalid: usize,
    decode_invalid: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_max_depth: 1000,
            decode_max_depth: 1000,
            precision: 14,
            keep_buffer: true,
            encode_invalid: 0,
            decode_invalid: true,
        }
    }
}

type Shared = Arc<Mutex<Settings>>;

/// The library with settings of its own.
pub(super) fn library(lua: &Lua) -> Result<Table> {
    let settings = Shared::default();
    let table = lua.create_table()?;
    let add = |name: &str, f: fn(&Lua, &Given<'_>, &Shared) -> Result<MultiValue>| {
        let settings = Arc::clone(&settings);
        table.raw_set(name, function(lua, move |lua, given| f(lua, given, &settings))?)
    };
    add("encode", encode)?;
    add("decode", decode)?;
    add("encode_sparse_array", |lua, given, settings| {
        at_most(given, 3)?;
        let mut settings = settings.lock();
        boolean(given, 1, &mut settings.sparse_convert)?;
        integer(given, 2, &mut settings.sparse_ratio, 0, i64::from(i32::MAX))?;
        integer(given, 3, &mut settings.sparse_safe, 0, i64::from(i32::MAX))?;
        let values = [
            Value::Boolean(settings.sparse_convert),
            Value::Integer(settings.sparse_ratio),
            Value::Integer(settings.sparse_safe),
        ];
        let _ = lua;
        Ok(MultiValue::from_vec(values.into()))
    })?;
    add("encode_max_depth", |lua, given, settings| {
        at_most(given, 1)?;
        let mut settings = settings.lock();
        integer(given, 1, &mut settings.encode_max_depth, 1, i64::from(i32::MAX))?;
        one(lua, settings.encode_max_depth)
    })?;
    add("decode_max_depth", |lua, given, settings| {
        at_most(given, 1)?;
        let mut settings = settings.lock();
        integer(given, 1, &mut settings.decode_max_depth, 1, i64::from(i32::MAX))?;
        one(lua, settings.decode_max_depth)
    })?;
    add("encode_number_precision", |lua, given, settings| {
        at_most(given, 1)?;
        let mut settings = settings.lock();
        integer(given, 1, &mut settings.precision, 1, 14)?;
        one(lua, settings.precision)
    })?;
    add("encode_keep_buffer", |lua, given, settings| {
        at_most(given, 1)?;
        let mut settings = settings.lock();
        boolean(given, 1, &mut settings.keep_buffer)?;
        one(lua, settings.keep_buffer)
    })?;
    add("encode_invalid_numbers", |lua, given, settings| {
        const CHOICES: [&str; 3] = ["off", "on", "null"];
        at_most(given, 1)?;
        let mut settings = settings.lock();
        match given.get(1) {
            Value::Nil => {}
            Value::Boolean(value) => settings.encode_invalid = usize::from(*value),
            _ => settings.encode_invalid = choice(given, 1, &CHOICES)?,
        }
        match settings.encode_invalid {
            2 => one(lua, "null"),
            value => one(lua, value == 1),
        }
    })?;
    add("decode_invalid_numbers", |lua, given, settings| {
        at_most(given, 1)?;
        let mut settings = settings.lock();
        boolean(given, 1, &mut settings.decode_invalid)?;
        one(lua, settings.decode_invalid)
    })?;
    table.raw_set("new", function(lua, |lua, _| one(lua, library(lua)?))?)?;
    table.raw_set("null", Value::NULL)?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    Ok(table)
}

fn at_most(given: &Given<'_>, len: usize) -> Result<()> {
    if given.len() > len { Err(given.wrong(len + 1, "found too many arguments")) } else { Ok(()) }
}

fn integer(given: &Given<'_>, number: usize, setting: &mut i64, least: i64, most: i64) -> Result<()> {
    if !given.is_absent(number) {
        let value = i64::from(given.int(number)? as i32);
        if !(least..=most).contains(&value) {
            // The library counts wrongly here.
            return Err(given.wrong(1, &format!("expected integer between {least} and {most}")));
        }
        *setting = value;
    }
    Ok(())
}

/// An option by its name.
fn choice(given: &Given<'_>, number: usize, choices: &[&str]) -> Result<usize> {
    let name = given.string(number)?;
    let name = name.as_bytes();
    choices
        .iter()
        .position(|choice| choice.as_bytes() == &*name)
        .ok_or_else(|| given.wrong(number, &format!("invalid option '{}'", String::from_utf8_lossy(&name))))
}

fn boolean(given: &Given<'_>, number: usize, setting: &mut bool) -> Result<()> {
    match given.get(number) {
        Value::Nil => {}
        Value::Boolean(value) => *setting = *value,
        _ => *setting = choice(given, number, &["off", "on"])? == 1,
    }
    Ok(())
}

// ---- Encoding ---------------------------------------------------------------------------------------------------

fn encode(lua: &Lua, given: &Given<'_>, settings: &Shared) -> Result<MultiValue> {
    if given.len() != 1 {
        return Err(given.wrong(1, "expected 1 argument"));
    }
    let mut writer = Writer { settings: *settings.lock(), out: Vec::new() };
    match writer.value(given.get(1), 0) {
        Ok(()) => one(lua, lua.create_string(writer.out)?),
        Err(Fault::Refused(text)) => Err(raise::error(lua, text)),
        Err(Fault::Lua(error)) => Err(error),
    }
}

/// Why something cannot be written. Where that is said is added at the end: a walk through a table hides the place.
enum Fault {
    Refused(String),
    Lua(mlua::Error),
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Self {
        Fault::Lua(error)
    }
}

type Written = std::result::Result<(), Fault>;

/// A table of which a part is written.
struct Open {
    table: Table,
    rest: Rest,
}

/// What is still to be written of it.
enum Rest {
    Items(i64, i64),
    /// Pairs behind this key.
    Pairs(Value, bool),
}

struct Writer {
    settings: Settings,
    out: Vec<u8>,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: i64) -> Written {
        match value {
            Value::Table(table) if depth < SHALLOW => self.table(table, depth + 1),
            Value::Table(table) => self.deep(table, depth + 1),
            scalar => self.scalar(scalar),
        }
    }

    fn scalar(&mut self, value: &Value) -> Written {
        match value {
            Value::String(text) => self.string(&text.as_bytes()),
            Value::Integer(number) => self.number(value, *number as f64)?,
            Value::Number(number) => self.number(value, *number)?,
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Nil => self.out.extend_from_slice(b"null"),
            null if *null == Value::NULL => self.out.extend_from_slice(b"null"),
            other => return Err(refuse(other, "type not supported")),
        }
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for &byte in text {
            match byte {
                b'"' => self.out.extend_from_slice(b"\\\""),
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                b'/' => self.out.extend_from_slice(b"\\/"),
                0x08 => self.out.extend_from_slice(b"\\b"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                0x0C => self.out.extend_from_slice(b"\\f"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                0..=0x1F | 0x7F => self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => self.out.push(byte),
            }
        }
        self.out.push(b'"');
    }

    fn number(&mut self, value: &Value, number: f64) -> Written {
        if !number.is_finite() {
            match self.settings.encode_invalid {
                0 => return Err(refuse(value, "must not be NaN or Inf")),
                1 if number.is_nan() => {
                    self.out.extend_from_slice(b"nan");
                    return Ok(());
                }
                1 => {}
                _ => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
            }
        }
        let whole = number as i64;
        let is_whole = whole as f64 == number && (whole != 0 || number.is_sign_positive());
        if is_whole && whole.unsigned_abs() < 1_000_000 && self.settings.precision >= 6 {
            self.out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        } else {
            self.out.extend_from_slice(general(number, self.settings.precision as usize).as_bytes());
        }
        Ok(())
    }

    fn key(&mut self, key: &Value) -> Written {
        match key {
            Value::String(text) => self.string(&text.as_bytes()),
            Value::Integer(_) | Value::Number(_) => {
                self.out.push(b'"');
                self.scalar(key)?;
                self.out.push(b'"');
            }
            other => return Err(refuse(other, "table key must be a number or string")),
        }
        self.out.push(b':');
        Ok(())
    }

    fn check(&self, depth: i64) -> Written {
        if depth > self.settings.encode_max_depth.min(DEPTH_MAX) {
            return Err(Fault::Refused(format!("Cannot serialise, excessive nesting ({depth})")));
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: i64) -> Written {
        self.check(depth)?;
        if let Some(len) = self.array_len(table)?.filter(|&len| len > 0) {
            self.out.push(b'[');
            for at in 1..=len {
                if at > 1 {
                    self.out.push(b',');
                }
                self.value(&table.raw_get(at)?, depth)?;
            }
            self.out.push(b']');
            return Ok(());
        }
        self.out.push(b'{');
        let mut first = true;
        let mut fault = None;
        let walked = table.for_each(|key: Value, value: Value| {
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            match self.key(&key).and_then(|()| self.value(&value, depth)) {
                Ok(()) => Ok(()),
                Err(Fault::Lua(error)) => Err(error),
                Err(refused) => {
                    fault = Some(refused);
                    Err(mlua::Error::runtime("refused"))
                }
            }
        });
        match fault {
            Some(fault) => return Err(fault),
            None => walked?,
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Writes a table and what is in it, however deep.
    fn deep(&mut self, table: &Table, depth: i64) -> Written {
        let mut stack = vec![self.open(table.clone(), depth)?];
        while let Some(open) = stack.last_mut() {
            let value = match &mut open.rest {
                Rest::Items(next, len) if *next > *len => {
                    self.out.push(b']');
                    stack.pop();
                    continue;
                }
                Rest::Items(next, _) => {
                    if *next > 1 {
                        self.out.push(b',');
                    }
                    *next += 1;
                    open.table.raw_get::<Value>(*next - 1)?
                }
                Rest::Pairs(before, first) => {
                    let Some((key, value)) = super::vm::next(&open.table, before)? else {
                        self.out.push(b'}');
                        stack.pop();
                        continue;
                    };
                    if !std::mem::take(first) {
                        self.out.push(b',');
                    }
                    *before = key.clone();
                    self.key(&key)?;
                    value
                }
            };
            match value {
                Value::Table(table) => {
                    let open = self.open(table, depth + stack.len() as i64)?;
                    stack.push(open);
                }
                scalar => self.scalar(&scalar)?,
            }
        }
        Ok(())
    }

    fn open(&mut self, table: Table, depth: i64) -> std::result::Result<Open, Fault> {
        self.check(depth)?;
        let rest = match self.array_len(&table)?.filter(|&len| len > 0) {
            Some(len) => Rest::Items(1, len),
            None => Rest::Pairs(Value::Nil, true),
        };
        self.out.push(if matches!(rest, Rest::Items(..)) { b'[' } else { b'{' });
        Ok(Open { table, rest })
    }

    /// The length of a table that is an array, gaps included; `None` for one that is not.
    fn array_len(&self, table: &Table) -> std::result::Result<Option<i64>, Fault> {
        let (mut max, mut items, mut is_array) = (0f64, 0i64, true);
        table.for_each(|key: Value, _: Value| {
            let key = match key {
                Value::Integer(key) => key as f64,
                Value::Number(key) => key,
                _ => 0.0,
            };
            if key >= 1.0 && key.floor() == key {
                max = max.max(key);
                items += 1;
            } else {
                is_array = false;
            }
            Ok(())
        })?;
        if !is_array {
            return Ok(None);
        }
        let Settings { sparse_convert, sparse_ratio, sparse_safe, .. } = self.settings;
        let max = to_int(max);
        if sparse_ratio > 0 && max > items.saturating_mul(sparse_ratio) && max > sparse_safe {
            if !sparse_convert {
                return Err(refuse(&Value::Table(table.clone()), "excessively sparse array"));
            }
            return Ok(None);
        }
        Ok(Some(max))
    }
}

fn refuse(value: &Value, why: &str) -> Fault {
    Fault::Refused(format!("Cannot serialise {}: {why}", super::given::type_name(value)))
}

// ---- Decoding ---------------------------------------------------------------------------------------------------

#[derive(Clone, Debug, PartialEq)]
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(text) => text,
        }
    }
}

struct Reader<'a> {
    lua: &'a Lua,
    settings: Settings,
    data: &'a [u8],
    at: usize,
    /// Where the last token began, or went wrong.
    token_at: usize,
}

fn decode(lua: &Lua, given: &Given<'_>, settings: &Shared) -> Result<MultiValue> {
    if given.len() != 1 {
        return Err(given.wrong(1, "expected 1 argument"));
    }
    let data = given.string(1)?;
    let data = data.as_bytes();
    if data.len() >= 2 && data.iter().take(2).any(|&byte| byte == 0) {
        return Err(raise::error(lua, "JSON parser does not support UTF-16 or UTF-32"));
    }
    let mut reader = Reader { lua, settings: *settings.lock(), data: &data, at: 0, token_at: 0 };
    let token = reader.token();
    let value = reader.value(token)?;
    match reader.token() {
        Token::End => one(lua, value),
        other => Err(reader.unexpected("the end", &other)),
    }
}

impl Reader<'_> {
    fn unexpected(&self, expected: &str, found: &Token) -> mlua::Error {
        let (found, place) = (found.name(), self.token_at + 1);
        raise::error(self.lua, format!("Expected {expected} but found {found} at character {place}"))
    }

    /// The byte here; zero behind the end, as in C.
    fn peek(&self, ahead: usize) -> u8 {
        self.data.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn wrong(&mut self, why: &'static str) -> Token {
        self.token_at = self.at;
        Token::Error(why)
    }

    fn token(&mut self) -> Token {
        while matches!(self.peek(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.token_at = self.at;
        let single = match self.peek(0) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            0 => return Token::End,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => {
                if !self.settings.decode_invalid && self.is_invalid_number() {
                    return self.wrong("invalid number");
                }
                return self.number();
            }
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+' => {
                let rest = self.data.get(self.at..).unwrap_or_default();
                for (word, token) in
                    [("true", Token::Boolean(true)), ("false", Token::Boolean(false)), ("null", Token::Null)]
                {
                    if rest.starts_with(word.as_bytes()) {
                        self.at += word.len();
                        return token;
                    }
                }
                if self.settings.decode_invalid && self.is_invalid_number() {
                    return self.number();
                }
                return self.wrong("invalid token");
            }
            _ => return self.wrong("invalid token"),
        };
        self.at += 1;
        single
    }

    /// Whether what follows is a number to C, but none to JSON.
    fn is_invalid_number(&self) -> bool {
        if self.peek(0) == b'+' {
            return true;
        }
        let sign = usize::from(self.peek(0) == b'-');
        let first = self.peek(sign);
        if first == b'0' {
            return matches!(self.peek(sign + 1), b'x' | b'X' | b'0'..=b'9');
        }
        if first <= b'9' {
            return false;
        }
        let word = self.data.get(self.at + sign..self.at + sign + 3).unwrap_or_default();
        word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
    }

    fn number(&mut self) -> Token {
        match prefix_number(self.data.get(self.at..).unwrap_or_default()) {
            Some((value, len)) => {
                self.at += len;
                Token::Number(value)
            }
            None => self.wrong("invalid number"),
        }
    }

    fn string(&mut self) -> Token {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match self.peek(0) {
                b'"' => break,
                0 => return self.wrong("unexpected end of string"),
                b'\\' => {
                    let escaped = match self.peek(1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 0x08,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 0x0C,
                        b'r' => b'\r',
                        b'u' => match self.escape() {
                            Some((letter, len)) => {
                                let mut buffer = [0; 4];
                                text.extend_from_slice(letter.encode_utf8(&mut buffer).as_bytes());
                                self.at += len;
                                continue;
                            }
                            None => return self.wrong("invalid unicode escape code"),
                        },
                        _ => return self.wrong("invalid escape code"),
                    };
                    text.push(escaped);
                    self.at += 2;
                }
                byte => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Token::String(text)
    }

    /// A letter as `\uXXXX`, or as two of them, and their length.
    fn escape(&self) -> Option<(char, usize)> {
        let hex = |ahead: usize| {
            let digits = self.data.get(self.at + ahead..self.at + ahead + 4)?;
            digits.iter().try_fold(0u32, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
        };
        let first = hex(2)?;
        if first & 0xF800 != 0xD800 {
            return Some((char::from_u32(first)?, 6));
        }
        if first & 0x400 != 0 || self.peek(6) != b'\\' || self.peek(7) != b'u' {
            return None;
        }
        let second = hex(8).filter(|second| second & 0xFC00 == 0xDC00)?;
        Some((char::from_u32(((first & 0x3FF) << 10 | second & 0x3FF) + 0x1_0000)?, 12))
    }

    /// Reads a value whose first token is read.
    fn value(&mut self, token: Token) -> Result<Value> {
        let mut stack: Vec<Filling> = Vec::new();
        let mut token = token;
        loop {
            let mut value = match token {
                Token::String(text) => Value::String(self.lua.create_string(text)?),
                Token::Number(number) => Value::Number(number),
                Token::Boolean(value) => Value::Boolean(value),
                Token::Null => Value::NULL,
                Token::ObjectBegin | Token::ArrayBegin => {
                    let is_object = token == Token::ObjectBegin;
                    let table = self.descend(stack.len() as i64 + 1)?;
                    token = self.token();
                    if token == if is_object { Token::ObjectEnd } else { Token::ArrayEnd } {
                        Value::Table(table)
                    } else {
                        stack.push(Filling { table, len: 0, key: None, is_object });
                        if is_object {
                            token = self.key(token, &mut stack)?;
                        }
                        continue;
                    }
                }
                other => return Err(self.unexpected("value", &other)),
            };
            // What is complete goes where it belongs, and may complete that as well.
            loop {
                let Some(open) = stack.last_mut() else { return Ok(value) };
                match open.key.take() {
                    Some(key) => open.table.raw_set(mlua::LuaString::wrap(key), value)?,
                    None => {
                        open.len += 1;
                        open.table.raw_seti(open.len, value)?;
                    }
                }
                let is_object = open.is_object;
                match self.token() {
                    Token::ObjectEnd if is_object => {}
                    Token::ArrayEnd if !is_object => {}
                    Token::Comma => {
                        token = self.token();
                        if is_object {
                            token = self.key(token, &mut stack)?;
                        }
                        break;
                    }
                    other if is_object => return Err(self.unexpected("comma or object end", &other)),
                    other => return Err(self.unexpected("comma or array end", &other)),
                }
                let Some(closed) = stack.pop() else { return Ok(Value::Nil) };
                value = Value::Table(closed.table);
            }
        }
    }

    /// Takes an object's key and the colon; the token behind them.
    fn key(&mut self, token: Token, stack: &mut [Filling]) -> Result<Token> {
        let Token::String(key) = token else { return Err(self.unexpected("object key string", &token)) };
        match self.token() {
            Token::Colon => {}
            other => return Err(self.unexpected("colon", &other)),
        }
        if let Some(open) = stack.last_mut() {
            open.key = Some(key);
        }
        Ok(self.token())
    }

    fn descend(&self, depth: i64) -> Result<Table> {
        if depth > self.settings.decode_max_depth.min(DEPTH_MAX) {
            let text = format!("Found too many nested data structures ({depth}) at character {}", self.at);
            return Err(raise::error(self.lua, text));
        }
        self.lua.create_table()
    }
}

/// A table that is being read.
struct Filling {
    table: Table,
    len: usize,
    /// The key of the value that comes.
    key: Option<Vec<u8>>,
    is_object: bool,
}

/// The longest number at the front, as `strtod` finds it, and its length.
fn prefix_number(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let negative = text.first() == Some(&b'-');
    let signed = |value: f64| if negative { -value } else { value };
    let rest = text.get(sign..).unwrap_or_default();
    let word =
        |word: &str| rest.get(..word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word.as_bytes()));
    if word("infinity") {
        return Some((signed(f64::INFINITY), sign + 8));
    }
    if word("inf") {
        return Some((signed(f64::INFINITY), sign + 3));
    }
    if word("nan") {
        return Some((signed(f64::NAN), sign + 3));
    }
    let digits = |from: usize, hex: bool| {
        let rest = rest.get(from..).unwrap_or_default();
        rest.iter()
            .take_while(|byte| if hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() })
            .count()
    };
    let hex = word("0x") && (digits(2, true) > 0 || (rest.get(2) == Some(&b'.') && digits(3, true) > 0));
    let start = if hex { 2 } else { 0 };
    let mut end = start + digits(start, hex);
    let mut any = end > start;
    if rest.get(end) == Some(&b'.') {
        let fraction = digits(end + 1, hex);
        if any || fraction > 0 {
            any |= fraction > 0;
            end += 1 + fraction;
        }
    }
    if !any {
        return None;
    }
    let exponent = if hex { b'p' } else { b'e' };
    if rest.get(end).is_some_and(|byte| byte.to_ascii_lowercase() == exponent) {
        let sign = usize::from(matches!(rest.get(end + 1), Some(b'-' | b'+')));
        let len = digits(end + 1 + sign, false);
        if len > 0 {
            end += 1 + sign + len;
        }
    }
    let value = crate::command::args::parse_float(rest.get(..end)?)?;
    Some((signed(value), sign + end))
}
