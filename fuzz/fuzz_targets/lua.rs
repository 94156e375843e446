//! Lua: what scripts get, what they make of it, and what becomes of what they return.
//!
//! Input: a byte that says how the rest is read, then
//! 0. the text of a script, which is compiled and not run (it may not end);
//! 1. two arguments with a line's end between, which a script gives to every function of cjson, cmsgpack, struct, bit,
//!    string and redis: bytes as data, as format and as pattern;
//! 2. bytes from which a script is put together that always ends: assignments, loops of three, calls of commands and
//!    functions;
//! 3. bytes from which a value is put together, which a script returns, in both protocols.
//!
//! Checked, besides that nothing panics: a script has one whole reply; what cjson and cmsgpack wrote they read, and
//! write again as long; and when all is done the engine answers, and scripts see no trace of earlier ones.
#![no_main]

use damselfly::clock::Clock;
use damselfly::config::Config;
use damselfly::{Damselfly, Reply};
use libfuzzer_sys::fuzz_target;
use std::cell::OnceCell;

thread_local! {
    /// One engine for all inputs: making Lua's state would take longer than most scripts.
    static DB: OnceCell<Damselfly> = const { OnceCell::new() };
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else { return };
    DB.with(|db| {
        let db = db.get_or_init(|| {
            let config = Config::default().shards(4).databases(2).seed(1).proto_max_bulk_len(1 << 20);
            Damselfly::with_clock(config, Clock::manual(1_700_000_000_000)).expect("a good configuration")
        });
        match kind % 4 {
            0 => compile(db, rest),
            1 => functions(db, rest),
            2 => {
                let script = Grammar { bytes: rest, depth: 0, left: 200 }.script();
                let _ = db.call(["EVAL", &script, "2", "a", "b", "1", "x"]);
            }
            _ => {
                let value = Grammar { bytes: rest, depth: 0, left: 200 }.value();
                for setup in ["", "redis.setresp(3) "] {
                    let _ = db.call(["EVAL", &format!("{setup}return {value}"), "0"]);
                }
            }
        }
        let clean = db.call(["EVAL", CLEAN, "0"]).expect("scripts run");
        assert_eq!(clean.as_bytes(), Some(&b"clean"[..]), "{clean:?}");
        db.call(["FLUSHALL"]).expect("it never fails");
    });
});

/// Whether an earlier script left anything: a global, a protocol, a changed library.
const CLEAN: &str = "
    for name in pairs(_G) do
        if not rawget(_G, name) then return name end
    end
    if string.len('abc') ~= 3 or cjson.encode({1}) ~= '[1]' or #cmsgpack.pack(1) ~= 1 then return 'a library' end
    if redis.call('set', 'k', 'v').ok ~= 'OK' or redis.call('get', 'nosuch') ~= false then return 'the protocol' end
    return 'clean'";

fn compile(db: &Damselfly, text: &[u8]) {
    if let Ok(Reply::Bulk(sha)) = db.call([&b"SCRIPT"[..], b"LOAD", text]) {
        let exists = db.call([&b"SCRIPT"[..], b"EXISTS", &sha[..]]).expect("it takes any text");
        assert_eq!(exists, Reply::Array(vec![Reply::Int(1)]));
    }
    db.call(["SCRIPT", "FLUSH"]).expect("it never fails");
}

/// Gives two texts to whatever takes texts, and checks what can be read back.
const FUNCTIONS: &str = "
    local a, b = ARGV[1], ARGV[2]
    local n = tonumber(a) or #a
    local seen = {}
    local function try(f, ...)
        local results = {pcall(f, ...)}
        seen[#seen + 1] = type(results[2])
        return results
    end
    local function json(value)
        local ok, text = pcall(cjson.encode, value)
        if not ok then return end
        local again = cjson.encode(cjson.decode(text))
        if #again ~= #text then return 'cjson wrote ' .. text .. ' and then ' .. again end
    end
    local function pack(...)
        local ok, packed = pcall(cmsgpack.pack, ...)
        if not ok then return end
        local second = cmsgpack.pack(cmsgpack.unpack(packed))
        local third = cmsgpack.pack(cmsgpack.unpack(second))
        if #second ~= #third then return 'cmsgpack wrote ' .. #second .. ' and then ' .. #third end
    end
    local decoded = try(cjson.decode, a)
    if decoded[1] then
        local wrong = json(decoded[2]) or pack(decoded[2])
        if wrong then return wrong end
    end
    local unpacked = try(cmsgpack.unpack, a)
    if unpacked[1] then
        local wrong = pack(unpack(unpacked, 2)) or json(unpacked[2])
        if wrong then return wrong end
    end
    try(cmsgpack.unpack_one, a, n % 16) try(cmsgpack.unpack_limit, a, 2, 0)
    try(cjson.encode_keep_buffer, b) try(cjson.encode_max_depth, n) try(cjson.decode_max_depth, n)
    cjson.encode_max_depth(1000) cjson.decode_max_depth(1000)
    try(struct.unpack, b, a) try(struct.pack, b, n, n, a, a) try(struct.size, b)
    try(struct.unpack, b, a, n % 8)
    for _, name in ipairs({'tobit', 'tohex', 'bnot', 'band', 'bor', 'bxor', 'lshift', 'rshift', 'arshift', 'rol', 'ror', 'bswap'}) do
        try(bit[name], n, #b) try(bit[name], a, b) try(bit[name], n)
    end
    try(string.find, a, b) try(string.find, a, b, n % 7, true) try(string.match, a, b, -3)
    try(string.gsub, a, b, '%0%1') try(string.gsub, a, b, b) try(string.gsub, a, b, string.upper, 3)
    try(string.gsub, a, b, {[a] = b})
    try(function() local c = 0 for x, y in string.gmatch(a, b) do c = c + 1 if c > 20 then break end end return c end)
    try(string.format, b, n, n, a, a) try(string.format, b, a, a) try(string.rep, a, n % 9) try(string.byte, a, 1, 20)
    try(string.sub, a, n, #b) try(string.reverse, a) try(string.char, n % 300, #b)
    try(tonumber, a, #b) try(tostring, a) try(table.concat, {a, b, n}, b)
    try(redis.sha1hex, a) try(redis.error_reply, a) try(redis.status_reply, b) try(redis.log, redis.LOG_DEBUG, a)
    try(redis.setresp, n) redis.setresp(2)
    try(redis.pcall, a, b) try(redis.pcall, 'set', a, b) try(redis.pcall, 'restore', KEYS[1], 0, a)
    try(redis.acl_check_cmd, a, b) try(redis.breakpoint) try(redis.set_repl, n) try(loadstring, a)
    try(setmetatable, {}, {__index = a}) try(rawset, _G, a, b) try(setfenv or try, 1, {}) try(getmetatable, a)
    try(math.fmod or math.mod, n, #b) try(math.random, n) try(math.ldexp, n, #b)
    return {'fine', #seen, a, b, n}";

fn functions(db: &Damselfly, bytes: &[u8]) {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (first, second) = (&bytes[..at], bytes.get(at + 1..).unwrap_or_default());
    // What SHUTDOWN and friends do is not for here; a command that blocks does not in a script.
    if first.eq_ignore_ascii_case(b"SHUTDOWN") || first.eq_ignore_ascii_case(b"DEBUG") {
        return;
    }
    match db.call([&b"EVAL"[..], FUNCTIONS.as_bytes(), b"1", b"k", first, second]) {
        Ok(Reply::Array(items)) => assert_eq!(items.first().and_then(Reply::as_bytes), Some(&b"fine"[..]), "{items:?}"),
        Ok(other) => panic!("{other:?}"),
        // Memory, or a budget.
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains("cjson wrote") && !text.contains("attempt to"), "{text}");
        }
    }
}

/// Puts scripts and values together from bytes, which it takes one after the other.
struct Grammar<'a> {
    bytes: &'a [u8],
    depth: u32,
    /// Parts that may still be written.
    left: u32,
}

impl Grammar<'_> {
    fn next(&mut self, below: usize) -> usize {
        let Some((&byte, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        usize::from(byte) % below
    }

    fn pick<'s>(&mut self, of: &[&'s str]) -> &'s str {
        of[self.next(of.len())]
    }

    /// Some of the input as a text of Lua's.
    fn text(&mut self) -> String {
        let len = self.next(12).min(self.bytes.len());
        let (text, rest) = self.bytes.split_at(len);
        self.bytes = rest;
        let escaped: String = text.iter().map(|byte| format!("\\{byte:03}")).collect();
        format!("'{escaped}'")
    }

    fn atom(&mut self) -> String {
        match self.next(12) {
            0..=2 => self.text(),
            3 => self.pick(&["nil", "true", "false", "cjson.null", "_G", "redis", "print", "KEYS", "ARGV"]).to_owned(),
            4 => self.pick(&["0", "-1", "0/0", "1/0", "-1/0", "2^53", "1e300", "-0.5", "3.99", "2^63", "2^31"]).to_owned(),
            5 => self.pick(&["x", "y", "z"]).to_owned(),
            6 => self.pick(&["KEYS[1]", "KEYS[2]", "ARGV[1]", "ARGV[2]", "KEYS[9]"]).to_owned(),
            _ => self.next(256).to_string(),
        }
    }

    /// A value that can be returned.
    fn value(&mut self) -> String {
        if self.depth > 12 || self.left == 0 {
            return self.atom();
        }
        (self.depth, self.left) = (self.depth + 1, self.left - 1);
        let value = match self.next(12) {
            0..=2 => {
                let len = self.next(5);
                let items: Vec<String> = (0..len).map(|_| self.value()).collect();
                format!("{{{}}}", items.join(","))
            }
            3 => {
                let name = self.pick(&["ok", "err", "double", "map", "set", "big_number", "verbatim_string", "n", "1"]);
                let value = self.value();
                format!("{{['{name}']={value}}}")
            }
            4 => {
                let (string, format) = (self.value(), self.value());
                format!("{{verbatim_string={{string={string},format={format}}}}}")
            }
            5 => {
                let (key, value, other) = (self.atom(), self.value(), self.value());
                format!("{{map={{[{key}]={value},k={other}}}}}")
            }
            6 => {
                let key = self.atom();
                format!("{{set={{[{key}]=true}}}}")
            }
            7 => {
                let (at, value) = (self.atom(), self.value());
                format!("setmetatable({{1,2}},{{__index=function() return {at} end,__len={value}}})")
            }
            8 => {
                let text = self.text();
                format!("redis.{}({text})", self.pick(&["error_reply", "status_reply", "sha1hex"]))
            }
            _ => self.atom(),
        };
        self.depth -= 1;
        value
    }

    fn expression(&mut self) -> String {
        if self.depth > 6 || self.left == 0 {
            return self.atom();
        }
        (self.depth, self.left) = (self.depth + 1, self.left - 1);
        let text = match self.next(12) {
            0 => {
                let (a, b) = (self.expression(), self.expression());
                format!("({a} {} {b})", self.pick(&["+", "-", "*", "/", "%", "..", "==", "<", "and", "or"]))
            }
            1 => format!("({} {})", self.pick(&["not", "#", "-"]), self.expression()),
            2 | 3 => self.value(),
            4 | 5 => self.call(),
            6 => {
                let (table, key) = (self.expression(), self.expression());
                format!("({table})[{key}]")
            }
            7 | 8 => {
                const NAMES: &[&str] = &[
                    "cjson.encode", "cjson.decode", "cmsgpack.pack", "cmsgpack.unpack", "struct.pack", "struct.unpack",
                    "bit.band", "bit.tohex", "string.format", "string.sub", "string.byte", "tostring", "tonumber",
                    "type", "unpack", "next", "select", "table.concat", "table.sort", "table.remove", "math.floor",
                    "rawget", "rawequal", "pcall", "xpcall", "redis.sha1hex", "string.find", "loadstring", "error",
                ];
                let name = self.pick(NAMES);
                let (a, b) = (self.expression(), self.expression());
                format!("{name}({a},{b})")
            }
            _ => self.atom(),
        };
        self.depth -= 1;
        text
    }

    /// A command, most of them with as many arguments as they take.
    fn call(&mut self) -> String {
        const COMMANDS: &[&str] = &[
            "get K", "set K V", "incr K", "rpush K V V", "lrange K 0 -1", "lpop K", "hset K V V", "hgetall K",
            "sadd K V V", "smembers K", "zadd K 1 V", "zrange K 0 -1 withscores", "xadd K * f V", "xrange K - +",
            "del K", "expire K V", "append K V", "setrange K 3 V", "select 1", "type K", "dump K", "blpop K 0", "eval V 0",
            "multi", "publish V V", "subscribe V", "hello 3", "client id", "config get port", "ping", "V", "mget K K",
            "object encoding K", "sort K", "bitfield K set u8 0 V", "pfadd K V", "geoadd K 1 2 V", "info", "time", "wait 0 0",
        ];
        let function = self.pick(&["redis.call", "redis.pcall"]);
        let command = self.pick(COMMANDS);
        let words: Vec<String> = command
            .split(' ')
            .map(|word| match word {
                "K" => self.pick(&["'a'", "'b'", "'c'", "KEYS[1]"]).to_owned(),
                "V" => self.expression(),
                word => format!("'{word}'"),
            })
            .collect();
        format!("{function}({})", words.join(","))
    }

    fn statement(&mut self) -> String {
        if self.depth > 4 || self.left == 0 {
            return String::new();
        }
        (self.depth, self.left) = (self.depth + 1, self.left - 1);
        let text = match self.next(10) {
            0 => {
                let name = self.pick(&["x", "y", "z"]);
                format!("{name} = {}", self.expression())
            }
            1 => {
                let body = self.block();
                format!("for i = 1, 3 do {body} end")
            }
            2 => {
                let (test, body, other) = (self.expression(), self.block(), self.block());
                format!("if {test} then {body} else {other} end")
            }
            3 => {
                let table = self.expression();
                let body = self.block();
                format!("for k, v in pairs({table}) do {body} break end")
            }
            4 => {
                let body = self.block();
                format!("pcall(function() {body} end)")
            }
            5 => format!("redis.setresp({})", self.pick(&["2", "3", "4"])),
            6 => format!("{} = {}", self.pick(&["global", "KEYS", "x.y", "string.len", "_G.z"]), self.expression()),
            _ => format!("x = {}", self.call()),
        };
        self.depth -= 1;
        text
    }

    fn block(&mut self) -> String {
        (0..self.next(3)).map(|_| self.statement() + " ").collect()
    }

    fn script(&mut self) -> String {
        let mut script = String::from("local x, y, z = 1, {}, 'z' ");
        for _ in 0..8 {
            script += &self.statement();
            script.push(' ');
        }
        let value = self.value();
        script + "return " + &value
    }
}
