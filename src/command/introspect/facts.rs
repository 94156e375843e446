//! What `COMMAND` knows of commands beyond their rows: how they use their keys, hints for proxies, history.
//!
//! Nothing here decides how a command runs. Each table names what departs from the rule that stands above it, by full
//! names separated by blanks; a new command needs a line only where the rule does not hold.

use crate::command::table::{Command, Entry, Flag, Flags, Group, Keys, Run};

/// A table from names to what they have in common.
type ByName = &'static [(&'static str, &'static str)];

fn lookup(table: ByName, name: &str) -> Option<&'static str> {
    table.iter().find(|(_, names)| names.split(' ').any(|other| other == name)).map(|(value, _)| *value)
}

/// How keys are used. The rule: a reading command has `RO access`, a writing one `RW update`. A comma separates the
/// specifications of commands that have several, `?` marks one whose keys only the command can find.
const KEY_USES: ByName = &[
    (
        "RO",
        "exists hexists hlen hstrlen llen memory|usage object|encoding object|freq object|idletime \
         object|refcount scard sismember strlen touch type xlen zcard",
    ),
    (
        "RW insert",
        "append hsetex hsetnx linsert lpush lpushx pfadd rpush rpushx sadd xgroup|create xgroup|createconsumer",
    ),
    (
        "RW access update",
        "decr decrby eval evalsha fcall getex getset hgetex hincrby hincrbyfloat incr incrby incrbyfloat move setbit zincrby",
    ),
    ("RW access", "pfcount pfdebug"),
    ("RW access insert, RO access", "pfmerge"),
    ("RW access update variable_flags", "bitfield set"),
    (
        "RW access delete",
        "blmpop blpop brpop bzmpop bzpopmax bzpopmin getdel hgetdel lmpop lpop rpop spop zmpop zpopmax \
         zpopmin",
    ),
    (
        "RW delete",
        "hdel lrem ltrim srem xautoclaim xdel xgroup|delconsumer xgroup|destroy xtrim zrem zremrangebylex \
         zremrangebyrank zremrangebyscore",
    ),
    ("RO access", "xreadgroup"),
    ("RM delete", "del delifeq unlink"),
    ("OW update", "mset msetex psetex restore setex"),
    ("OW insert", "msetnx setnx"),
    ("RO access, OW update", "copy"),
    (
        "OW update, RO access",
        "bitop geosearchstore sdiffstore sinterstore sunionstore zdiffstore zinterstore zrangestore zunionstore",
    ),
    ("RW access delete, RW insert", "blmove brpoplpush lmove rpoplpush smove"),
    ("RW access delete, OW update", "rename"),
    ("RW access delete, OW insert", "renamenx"),
    ("RO access, RO access ?, OW update ?", "sort"),
    ("RO access, RO access ?", "sort_ro"),
    ("RO access, OW update, OW update", "georadius georadiusbymember"),
    ("not_key", "spublish ssubscribe sunsubscribe"),
];

/// Remarks on key specifications, in their order. The rule: none.
const KEY_NOTES: &[(&str, &[&str])] = &[
    ("eval", &[WORST_WRITE]),
    ("eval_ro", &[WORST_READ]),
    ("fcall", &[WORST_WRITE]),
    ("fcall_ro", &[WORST_READ]),
    ("bitfield", &["This command allows both access and modification of the key"]),
    ("getex", &["RW and UPDATE because it changes the TTL"]),
    (
        "pfcount",
        &["RW because it may change the internal representation of the key, and propagate to replicas"],
    ),
    ("set", &["RW and ACCESS due to the optional `GET` argument"]),
    ("xadd", &["UPDATE instead of INSERT because of the optional trimming feature"]),
    ("sort", &["", SORT_BY_NOTE, SORT_STORE_NOTE]),
    ("sort_ro", &["", SORT_BY_NOTE]),
];
const WORST_WRITE: &str = "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE";
const WORST_READ: &str = "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS";
const SORT_BY_NOTE: &str = "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from \
                            the content of the key we sort";
const SORT_STORE_NOTE: &str = "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear \
                               anywhere in the argument array";

/// Hints for clients and proxies. The rule: none.
const TIPS: ByName = &[
    (
        "nondeterministic_output request_policy:all_nodes response_policy:special",
        "latency|doctor latency|graph latency|histogram latency|history latency|latest",
    ),
    ("request_policy:all_nodes nondeterministic_output", "slowlog|get"),
    ("request_policy:all_nodes response_policy:agg_sum nondeterministic_output", "slowlog|len"),
    (
        "nondeterministic_output",
        "client|info client|list cluster|bumpepoch cluster|count-failure-reports cluster|getkeysinslot cluster|info \
         cluster|links cluster|myshardid cluster|nodes cluster|replicas cluster|shards cluster|slaves cluster|slots dump hrandfield hscan lastsave object|encoding object|freq object|idletime \
         object|refcount pttl spop srandmember sscan time ttl xadd xautoclaim xclaim xinfo|consumers xpending \
         xtrim zrandmember zscan",
    ),
    (
        "nondeterministic_output_order",
        "command command|docs command|info command|list function|list hgetall hkeys hvals sdiff sinter smembers sunion",
    ),
    (
        "nondeterministic_output request_policy:all_shards response_policy:special",
        "function|stats info memory|doctor memory|malloc-stats memory|stats",
    ),
    ("nondeterministic_output request_policy:special response_policy:special", "scan"),
    ("request_policy:all_nodes response_policy:all_succeeded", ALL_NODES),
    ("request_policy:all_shards nondeterministic_output_order", "keys"),
    ("request_policy:all_shards response_policy:agg_logical_and", "script|exists"),
    ("request_policy:all_shards response_policy:one_succeeded", "function|kill script|kill"),
    ("request_policy:all_shards response_policy:agg_sum", "dbsize"),
    (
        "request_policy:all_shards response_policy:all_succeeded",
        "flushall flushdb function|delete function|flush function|load function|restore memory|purge ping",
    ),
    ("request_policy:all_shards response_policy:special nondeterministic_output", "randomkey"),
    ("request_policy:multi_shard", "mget"),
    ("request_policy:multi_shard response_policy:agg_sum", "del exists touch unlink"),
    ("request_policy:multi_shard response_policy:all_succeeded", "mset msetex"),
];
const ALL_NODES: &str = "latency|reset slowlog|reset acl|deluser acl|save acl|setuser client|setinfo client|setname \
                         config|resetstat config|rewrite config|set script|flush script|load";

/// ACL categories besides those that follow from flags. The rule: those of the group; none for a container.
const CATEGORIES: ByName = &[
    (
        "@connection",
        "command command|count command|docs command|getkeys command|getkeysandflags command|help",
    ),
    ("@connection", "command|info command|list wait"),
    ("@connection", "asking readonly readwrite"),
    ("@keyspace", "dbsize flushall flushdb swapdb"),
    ("@admin", "lastsave role"),
    ("@set @sortedset @list", "sort sort_ro"),
];

/// All ACL categories, in the order in which they are shown.
pub(super) const CATEGORY_ORDER: &[&str] = &[
    "@keyspace",
    "@read",
    "@write",
    "@set",
    "@sortedset",
    "@list",
    "@hash",
    "@string",
    "@bitmap",
    "@hyperloglog",
    "@geo",
    "@stream",
    "@pubsub",
    "@admin",
    "@fast",
    "@slow",
    "@blocking",
    "@dangerous",
    "@connection",
    "@transaction",
    "@scripting",
];

/// Commands for the server's own use. The rule: none is.
const SYSTEM: &str = "debug pfdebug pfselftest";

/// Commands that have something better: since when, and what.
const DEPRECATED: &[(&str, &str, &str)] = &[
    ("cluster|slaves", "5.0.0", "`CLUSTER REPLICAS`"),
    ("cluster|slots", "7.0.0", "`CLUSTER SHARDS`"),
    ("brpoplpush", "6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments"),
    ("georadius", "6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"),
    ("georadius_ro", "6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument"),
    (
        "georadiusbymember",
        "6.2.0",
        "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
    ),
    ("georadiusbymember_ro", "6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"),
    ("getset", "6.2.0", "`SET` with the `!GET` argument"),
    ("hmset", "4.0.0", "`HSET` with multiple field-value pairs"),
    ("psetex", "2.6.12", "`SET` with the `PX` argument"),
    ("quit", "7.2.0", "just closing the connection"),
    ("rpoplpush", "6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments"),
    ("setex", "2.6.12", "`SET` with the `EX` argument"),
    ("setnx", "2.6.12", "`SET` with the `NX` argument"),
    ("substr", "2.0.0", "`GETRANGE`"),
    ("zrangebylex", "6.2.0", "`ZRANGE` with the `BYLEX` argument"),
    ("zrangebyscore", "6.2.0", "`ZRANGE` with the `BYSCORE` argument"),
    ("zrevrange", "6.2.0", "`ZRANGE` with the `REV` argument"),
    ("zrevrangebylex", "6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments"),
    ("zrevrangebyscore", "6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments"),
];

/// What changed in a command, by version.
const HISTORY: &[(&str, &[(&str, &str)])] = &[
    ("cluster|meet", &[("4.0.0", "Added the optional `cluster_bus_port` argument.")]),
    (
        "cluster|slots",
        &[("4.0.0", "Added node IDs."), ("7.0.0", "Added additional networking metadata field.")],
    ),
    ("slowlog|get", &[("4.0.0", "Added client IP address, port and name to the reply.")]),
    (
        "acl|getuser",
        &[
            ("6.2.0", "Added Pub/Sub channel patterns."),
            (
                "7.0.0",
                "Added selectors and changed the format of key and channel patterns from a list to their rule \
                 representation.",
            ),
        ],
    ),
    ("acl|log", &[("7.2.0", "Added entry ID, timestamp created, and timestamp last updated.")]),
    (
        "acl|setuser",
        &[
            ("6.2.0", "Added Pub/Sub channel patterns."),
            ("7.0.0", "Added selectors and key based permissions."),
        ],
    ),
    ("auth", &[("6.0.0", "Added ACL style (username and password).")]),
    ("bitcount", &[("7.0.0", "Added the `BYTE|BIT` option.")]),
    ("bitpos", &[("7.0.0", "Added the `BYTE|BIT` option.")]),
    ("blpop", &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")]),
    ("brpop", &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")]),
    ("brpoplpush", &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")]),
    ("bzpopmax", &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")]),
    ("bzpopmin", &[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")]),
    (
        "client|kill",
        &[
            ("2.8.12", "Added new filter format."),
            ("2.8.12", "`ID` option."),
            ("3.2.0", "Added `master` type in for `TYPE` option."),
            (
                "5.0.0",
                "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility.",
            ),
            ("6.2.0", "`LADDR` option."),
        ],
    ),
    (
        "client|list",
        &[
            ("2.8.12", "Added unique client `id` field."),
            ("5.0.0", "Added optional `TYPE` filter."),
            ("6.0.0", "Added `user` field."),
            (
                "6.2.0",
                "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter.",
            ),
            ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
            ("7.0.3", "Added `ssub` field."),
        ],
    ),
    ("client|pause", &[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")]),
    ("command|info", &[("7.0.0", "Allowed to be called with no argument to get info on all commands.")]),
    ("config|get", &[("7.0.0", "Added the ability to pass multiple pattern parameters in one call")]),
    ("config|set", &[("7.0.0", "Added the ability to set multiple parameters in one call.")]),
    ("exists", &[("3.0.3", "Accepts multiple `key` arguments.")]),
    ("expire", &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")]),
    ("expireat", &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")]),
    (
        "flushall",
        &[
            ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
            ("6.2.0", "Added the `SYNC` flushing mode modifier."),
        ],
    ),
    (
        "flushdb",
        &[
            ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
            ("6.2.0", "Added the `SYNC` flushing mode modifier."),
        ],
    ),
    ("geoadd", &[("6.2.0", "Added the `CH`, `NX` and `XX` options.")]),
    (
        "georadius",
        &[
            ("6.2.0", "Added the `ANY` option for `COUNT`."),
            ("7.0.0", "Added support for uppercase unit names."),
        ],
    ),
    ("georadius_ro", &[("6.2.0", "Added the `ANY` option for `COUNT`.")]),
    ("georadiusbymember", &[("7.0.0", "Added support for uppercase unit names.")]),
    ("geosearch", &[("7.0.0", "Added support for uppercase unit names.")]),
    ("geosearchstore", &[("7.0.0", "Added support for uppercase unit names.")]),
    ("hdel", &[("2.4.0", "Accepts multiple `field` arguments.")]),
    (
        "hello",
        &[(
            "6.2.0",
            "`protover` made optional; when called without arguments the command reports the current connection's context.",
        )],
    ),
    ("hset", &[("4.0.0", "Accepts multiple `field` and `value` arguments.")]),
    ("info", &[("7.0.0", "Added support for taking multiple section arguments.")]),
    ("lpop", &[("6.2.0", "Added the `count` argument.")]),
    ("lpush", &[("2.4.0", "Accepts multiple `element` arguments.")]),
    ("lpushx", &[("4.0.0", "Accepts multiple `element` arguments.")]),
    ("pexpire", &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")]),
    ("pexpireat", &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")]),
    ("pttl", &[("2.8.0", "Added the -2 reply.")]),
    (
        "renamenx",
        &[(
            "3.2.0",
            "The command no longer returns an error when source and destination names are the same.",
        )],
    ),
    (
        "restore",
        &[
            ("3.0.0", "Added the `REPLACE` modifier."),
            ("5.0.0", "Added the `ABSTTL` modifier."),
            ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
        ],
    ),
    ("rpop", &[("6.2.0", "Added the `count` argument.")]),
    ("rpush", &[("2.4.0", "Accepts multiple `element` arguments.")]),
    ("rpushx", &[("4.0.0", "Accepts multiple `element` arguments.")]),
    ("sadd", &[("2.4.0", "Accepts multiple `member` arguments.")]),
    ("scan", &[("6.0.0", "Added the `TYPE` subcommand.")]),
    (
        "set",
        &[
            ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
            ("6.0.0", "Added the `KEEPTTL` option."),
            ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
            ("7.0.0", "Allowed the `NX` and `GET` options to be used together."),
        ],
    ),
    ("spop", &[("3.2.0", "Added the `count` argument.")]),
    ("srandmember", &[("2.6.0", "Added the optional `count` argument.")]),
    ("srem", &[("2.4.0", "Accepts multiple `member` arguments.")]),
    ("script|flush", &[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")]),
    ("shutdown", &[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")]),
    ("ttl", &[("2.8.0", "Added the -2 reply.")]),
    (
        "zadd",
        &[
            ("2.4.0", "Accepts multiple elements."),
            ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
            ("6.2.0", "Added the `GT` and `LT` options."),
        ],
    ),
    ("zrange", &[("6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.")]),
    ("zrangebyscore", &[("2.0.0", "Added the `WITHSCORES` modifier.")]),
    ("zrank", &[("7.2.0", "Added the optional `WITHSCORE` argument.")]),
    ("zrem", &[("2.4.0", "Accepts multiple elements.")]),
    ("zrevrangebyscore", &[("2.1.6", "`min` and `max` can be exclusive.")]),
    ("zrevrank", &[("7.2.0", "Added the optional `WITHSCORE` argument.")]),
    (
        "xadd",
        &[
            ("6.2.0", "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option."),
            ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
        ],
    ),
    (
        "xautoclaim",
        &[(
            "7.0.0",
            "Added an element to the reply array, containing deleted entries the command cleared from the PEL",
        )],
    ),
    ("xgroup|create", &[("7.0.0", "Added the `entries_read` named argument.")]),
    ("xgroup|setid", &[("7.0.0", "Added the optional `entries_read` argument.")]),
    ("xinfo|consumers", &[("7.2.0", "Added the `inactive` field, and changed the meaning of `idle`.")]),
    ("xinfo|groups", &[("7.0.0", "Added the `entries-read` and `lag` fields")]),
    (
        "xinfo|stream",
        &[
            ("6.0.0", "Added the `FULL` modifier."),
            (
                "7.0.0",
                "Added the `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag` fields",
            ),
            ("7.2.0", "Added the `active-time` field, and changed the meaning of `seen-time`."),
        ],
    ),
    ("xpending", &[("6.2.0", "Added the `IDLE` option and exclusive range intervals.")]),
    ("xrange", &[("6.2.0", "Added exclusive ranges.")]),
    ("xrevrange", &[("6.2.0", "Added exclusive ranges.")]),
    ("xsetid", &[("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments.")]),
    ("xtrim", &[("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option.")]),
];

/// Where a key specification finds its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Find {
    /// From position `first` on to `first + last` (from the end where `last` is negative), in steps.
    Range { first: usize, last: i32, step: usize },
    /// A number at this position, then that many keys, in steps.
    Counted(usize, usize),
    /// Behind the first word of this spelling from this position on.
    Behind(&'static str, usize),
    /// Half of what stands behind the word `STREAMS`, which is looked for from this position on.
    Streams(usize),
    /// Only the command can say.
    Unknown,
}

/// A key specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeySpec {
    /// `RO access` and the like.
    pub uses: Vec<&'static str>,
    pub find: Find,
    pub note: Option<&'static str>,
}

/// The key specifications of a command, from the positions in its row and the uses above.
pub(super) fn key_specs(entry: &Entry) -> Vec<KeySpec> {
    let command = entry.command;
    let by_rule = if command.flags.has(Flag::Write) { "RW update" } else { "RO access" };
    let uses = lookup(KEY_USES, entry.full_name).unwrap_or(by_rule);
    let count = uses.split(',').filter(|uses| !uses.contains('?')).count();
    let notes =
        KEY_NOTES.iter().find(|(name, _)| *name == entry.full_name).map_or(&[][..], |(_, notes)| notes);
    let spec = |(at, uses): (usize, &'static str)| {
        let find = match command.keys {
            _ if uses.contains('?') => Find::Unknown,
            Keys::None => Find::Unknown,
            Keys::At(first) => Find::Range { first, last: 0, step: 1 },
            // One key each, and the last specification has whatever follows.
            Keys::Range { first, last, step } if count > 1 => {
                let last = if last < 0 && at + 1 == count { last } else { 0 };
                Find::Range { first: first + at * step, last, step: 1 }
            }
            Keys::Range { first, last, step } => {
                Find::Range { first, last: if last < 0 { last } else { last - first as i32 }, step }
            }
            Keys::FirstAndCounted(_) | Keys::FirstAndStored(_) if at == 0 => {
                Find::Range { first: 1, last: 0, step: 1 }
            }
            Keys::Counted(at) | Keys::FirstAndCounted(at) => Find::Counted(at, 1),
            Keys::CountedPairs(at) => Find::Counted(at, 2),
            Keys::FirstAndStored(from) => Find::Behind(if at == 1 { "STORE" } else { "STOREDIST" }, from),
            // In the shortest form the name of XREADGROUP has its group in front of the word.
            Keys::Streams => Find::Streams(if command.flags.has(Flag::Write) { 4 } else { 1 }),
        };
        let note = notes.get(at).copied().filter(|note| !note.is_empty());
        KeySpec {
            uses: uses.split(' ').filter(|word| !word.is_empty() && *word != "?").collect(),
            find,
            note,
        }
    };
    if !has_keys(command) {
        return Vec::new();
    }
    uses.split(',').enumerate().map(spec).collect()
}

/// Whether a command takes keys at all.
pub(super) fn has_keys(command: &Command) -> bool {
    command.keys != Keys::None
}

/// Whether what stands in the place of keys is something else: shard channels.
pub(super) fn names_no_keys(entry: &Entry) -> bool {
    lookup(KEY_USES, entry.full_name) == Some("not_key")
}

/// First key, last key, step, as `COMMAND INFO` showed them before there were key specifications.
pub(super) fn legacy_range(keys: Keys) -> (i64, i64, i64) {
    match keys {
        Keys::None | Keys::Counted(_) | Keys::CountedPairs(_) | Keys::Streams => (0, 0, 0),
        Keys::At(at) => (at as i64, at as i64, 1),
        Keys::FirstAndCounted(_) | Keys::FirstAndStored(_) => (1, 1, 1),
        Keys::Range { first, last, step } => (first as i64, i64::from(last), step as i64),
    }
}

/// The flags that `COMMAND INFO` shows, in its order.
pub(super) fn flag_words(command: &Command) -> Vec<&'static str> {
    const WORDS: &[(Flag, &str)] = &[
        (Flag::Write, "write"),
        (Flag::Read, "readonly"),
        (Flag::DenyOom, "denyoom"),
        (Flag::Admin, "admin"),
        (Flag::PubSub, "pubsub"),
        (Flag::NoScript, "noscript"),
        (Flag::Blocking, "blocking"),
        (Flag::Loading, "loading"),
        (Flag::Stale, "stale"),
        (Flag::SkipMonitor, "skip_monitor"),
        (Flag::SkipSlowlog, "skip_slowlog"),
        (Flag::Fast, "fast"),
        (Flag::NoAuth, "no_auth"),
        (Flag::OptionalKeys, "no_mandatory_keys"),
        (Flag::NoAsyncLoading, "no_async_loading"),
        (Flag::NoMulti, "no_multi"),
        (Flag::MovableKeys, "movablekeys"),
        (Flag::AllowBusy, "allow_busy"),
    ];
    let flags = command.flags;
    // Redis looks for keys that a range does not cover; a count or a word in front of them is such a case.
    let movable = |flag| {
        flag == Flag::MovableKeys
            && matches!(
                command.keys,
                Keys::Counted(_)
                    | Keys::CountedPairs(_)
                    | Keys::FirstAndCounted(_)
                    | Keys::FirstAndStored(_)
                    | Keys::Streams
            )
    };
    WORDS.iter().filter(|&&(flag, _)| flags.has(flag) || movable(flag)).map(|&(_, word)| word).collect()
}

/// A command's ACL categories in Redis' order, as they follow from its flags, its group and the tables above.
pub(super) fn categories(entry: &Entry) -> Vec<&'static str> {
    let command = entry.command;
    let mut found: Vec<&str> = Vec::new();
    let explicit: Vec<&str> = CATEGORIES
        .iter()
        .filter(|(_, names)| names.split(' ').any(|name| name == entry.full_name))
        .collect_words();
    if explicit.is_empty() && !matches!(command.run, Run::Container) {
        found.extend(group_category(command.group));
    }
    found.extend(explicit);
    let flags: Flags = command.flags;
    let mut by_flag = |flag, words: &[&'static str]| {
        if flags.has(flag) {
            found.extend(words);
        }
    };
    by_flag(Flag::Write, &["@write"]);
    // What a script reads is for the script to say.
    if command.group != Group::Scripting {
        by_flag(Flag::Read, &["@read"]);
    }
    by_flag(Flag::Admin, &["@admin", "@dangerous"]);
    by_flag(Flag::Dangerous, &["@dangerous"]);
    by_flag(Flag::PubSub, &["@pubsub"]);
    by_flag(Flag::Blocking, &["@blocking"]);
    found.push(if flags.has(Flag::Fast) { "@fast" } else { "@slow" });
    CATEGORY_ORDER.iter().copied().filter(|category| found.contains(category)).collect()
}

trait CollectWords {
    fn collect_words(self) -> Vec<&'static str>;
}

impl<'a, I: Iterator<Item = &'a (&'static str, &'static str)>> CollectWords for I {
    fn collect_words(self) -> Vec<&'static str> {
        self.flat_map(|(words, _)| words.split(' ')).collect()
    }
}

fn group_category(group: Group) -> Option<&'static str> {
    match group {
        Group::String => Some("@string"),
        Group::Generic => Some("@keyspace"),
        Group::List => Some("@list"),
        Group::Hash => Some("@hash"),
        Group::Set => Some("@set"),
        Group::SortedSet => Some("@sortedset"),
        Group::Stream => Some("@stream"),
        Group::Bitmap => Some("@bitmap"),
        Group::Geo => Some("@geo"),
        Group::HyperLogLog => Some("@hyperloglog"),
        Group::Transactions => Some("@transaction"),
        Group::Scripting => Some("@scripting"),
        Group::Connection => Some("@connection"),
        Group::PubSub | Group::Server | Group::Cluster => None,
    }
}

/// Hints for clients and proxies.
pub(super) fn tips(entry: &Entry) -> Vec<&'static str> {
    lookup(TIPS, entry.full_name).into_iter().flat_map(|tips| tips.split(' ')).collect()
}

/// What changed in a command: version and text.
pub(super) fn history(entry: &Entry) -> &'static [(&'static str, &'static str)] {
    HISTORY.iter().find(|(name, _)| *name == entry.full_name).map_or(&[], |(_, history)| history)
}

/// Since when a command has something better, and what.
pub(super) fn deprecated(entry: &Entry) -> Option<(&'static str, &'static str)> {
    DEPRECATED.iter().find(|(name, ..)| *name == entry.full_name).map(|&(_, since, by)| (since, by))
}

/// Whether a command is for the server's own use.
pub(super) fn is_system(entry: &Entry) -> bool {
    SYSTEM.split(' ').any(|name| name == entry.full_name)
}
