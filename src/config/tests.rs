//! The table's own tests, the sources, the file, and Redis' words.

use super::rows::{COUNT, default_value};
use super::*;
use quickcheck::quickcheck;
use std::collections::HashSet;

fn text(bytes: &str) -> ConfigText {
    ConfigText { name: "a.conf".into(), path: None, bytes: bytes.into() }
}

fn from(flags: &[(&str, &str)], variables: &[(&str, &str)], file: &str) -> Result<Config, String> {
    let flags: Vec<_> = flags.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let variables = variables.iter().map(|(name, text)| (name.into(), text.into()));
    Config::from_sources(&flags, variables, Some(&text(file))).map_err(|error| error.to_string())
}

fn from_file(file: &str) -> Result<Config, String> {
    from(&[], &[], file)
}

fn settings() -> Settings {
    Settings::new(&Config::default()).expect("defaults are right")
}

fn set(settings: &Settings, pairs: &[(&str, &str)]) -> Result<(), String> {
    let pairs: Vec<_> = pairs.iter().map(|(name, text)| (name.as_bytes(), text.as_bytes())).collect();
    settings.set(&pairs).map_err(|error| error.to_string())
}

fn get(settings: &Settings, name: &str) -> String {
    settings.get(&[name.as_bytes()]).into_iter().map(|(_, text)| text).collect()
}

#[test]
fn every_default_passes_its_own_check_and_is_shown_as_it_is_written() {
    for row in &ROWS {
        let value = row.kind.parse(row.default, None).unwrap_or_else(|error| panic!("{}: {error}", row.name));
        assert_eq!(row.kind.show(&value), row.default, "{}", row.name);
        for line in row.kind.lines(&value) {
            let words = split_words(line.as_bytes()).expect("balanced quotes");
            let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
            assert_eq!(row.kind.parse(&words.join(" "), None), Ok(value.clone()), "{}", row.name);
        }
    }
    assert_eq!(Config::default().check().map_err(|error| error.to_string()), Ok(()));
}

#[test]
fn names_are_unique_plain_and_documented() {
    let names = ROWS.iter().flat_map(|row| [Some(row.name), row.alias]).flatten();
    let unique: HashSet<&str> = names.clone().collect();
    assert_eq!(unique.len(), names.clone().count());
    for name in names {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
    }
    for row in ROWS.iter().filter(|row| row.group != Group::Compatibility) {
        assert!(row.doc.ends_with('.'), "{}", row.name);
    }
}

#[test]
fn a_config_survives_the_way_through_its_values() {
    let config = Config::default().port(7000).bind("::1").hz(20).loglevel(LogLevel::Debug).timeout(9);
    assert_eq!(Config::of(&config.values(), None), config);
    assert_eq!(config.values().len(), COUNT);
    assert_eq!(Settings::new(&config).map(|settings| settings.config()).ok(), Some(config));
}

#[test]
fn a_flag_wins_over_a_variable_over_a_file_over_the_default() {
    let file = "port 1\nhz 2\ntimeout 3";
    let config = from(&[("port", "11")], &[("DAMSELFLY_PORT", "12"), ("DAMSELFLY_HZ", "22")], file);
    let config = config.expect("all is right");
    assert_eq!((config.port, config.hz, config.timeout, config.databases), (11, 22, 3, 16));
}

#[test]
fn limits_of_output_buffers_add_up_over_sources() {
    let config = from(
        &[("client-output-buffer-limit", "pubsub 5 6 7")],
        &[("DAMSELFLY_CLIENT_OUTPUT_BUFFER_LIMIT", "replica 1k 2 3")],
        "client-output-buffer-limit normal 1mb 512kb 60",
    );
    let limits = config.expect("all is right").client_output_buffer_limit;
    assert_eq!(limits.to_string(), "normal 1048576 524288 60 slave 1000 2 3 pubsub 5 6 7");
}

#[test]
fn what_is_wrong_is_said_in_one_line_that_names_its_source() {
    for (file, line) in [
        ("\nport abc", "a.conf:2: port 'abc': argument couldn't be parsed into an integer"),
        ("port 70000", "a.conf:1: port '70000': argument must be between 0 and 65535 inclusive"),
        ("port 1 2", "a.conf:1: port '1 2': wrong number of arguments"),
        ("port", "a.conf:1: port: wrong number of arguments"),
        ("prot 1", "a.conf:1: unknown setting 'prot', did you mean 'port'?"),
        ("# x\n\nfnord 1", "a.conf:3: unknown setting 'fnord'"),
        ("port \"1", "a.conf:1: unbalanced quotes"),
        ("activedefrag yes", "a.conf:1: activedefrag is not supported by this version, except as 'no'"),
        ("save 900", "a.conf:1: save '900': Invalid save parameters"),
        ("save 900 1 0 1", "a.conf:1: save '900 1 0 1': Invalid save parameters"),
        ("appendonly maybe", "a.conf:1: appendonly 'maybe': argument must be 'yes' or 'no'"),
        ("loadmodule x.so", "a.conf:1: loadmodule is not supported by this version"),
        ("include /nowhere/x", "a.conf:1: cannot read '/nowhere/x': No such file or directory"),
        ("dir /nowhere", "a.conf:1: dir '/nowhere': No such directory"),
        (
            "unixsocketperm 888",
            "a.conf:1: unixsocketperm '888': argument couldn't be parsed as an octal number",
        ),
        (
            "unixsocketperm 1000",
            "a.conf:1: unixsocketperm '1000': argument must be between 0 and 777 inclusive",
        ),
        ("shards 3", "a.conf:1: shards '3': argument must be 0 or a power of two up to 4096"),
        ("port \"a\\nb\"", "a.conf:1: port 'a b': argument couldn't be parsed into an integer"),
        ("requirepass a b", "a.conf:1: requirepass: wrong number of arguments"),
    ] {
        assert_eq!(from_file(file), Err(line.to_owned()), "{file}");
    }
    let line = "--port 'x': argument couldn't be parsed into an integer";
    assert_eq!(from(&[("port", "x")], &[], ""), Err(line.to_owned()));
    let line = "DAMSELFLY_IO_THREADS '129': argument must be between 0 and 128 inclusive";
    assert_eq!(from(&[], &[("DAMSELFLY_IO_THREADS", "129")], ""), Err(line.to_owned()));
    let line = "DAMSELFLY_HZZ: unknown setting 'hzz', did you mean 'hz'?";
    assert_eq!(from(&[], &[("DAMSELFLY_HZZ", "1")], ""), Err(line.to_owned()));
    let missing = ConfigText::open(Path::new("/nowhere/a.conf")).map_err(|error| error.to_string());
    let line = "/nowhere/a.conf: cannot read the configuration: No such file or directory";
    assert_eq!(missing.err().as_deref(), Some(line));
}

#[test]
fn a_field_out_of_range_is_refused_when_it_is_put_to_use() {
    let refused = Settings::new(&Config::default().databases(0)).err().map(|error| error.to_string());
    let line = "config: databases '0': argument must be between 1 and 2147483647 inclusive";
    assert_eq!(refused.as_deref(), Some(line));
    let mut config = Config::default();
    assert!(config.set("HZ", "7").is_ok() && config.hz == 7);
    assert!(config.set("hz", "seven").is_err() && config.hz == 7);
}

#[test]
fn a_service_that_kubernetes_announces_is_no_setting() {
    let announced = [
        ("DAMSELFLY_PORT", "tcp://10.0.0.1:6379"),
        ("DAMSELFLY_PORT_6379_TCP_ADDR", "10.0.0.1"),
        ("DAMSELFLY_SERVICE_HOST", "10.0.0.1"),
        ("DAMSELFLY_ORACLE", "127.0.0.1:6379"),
        ("HOME", "/root"),
    ];
    assert_eq!(from(&[], &announced, "").map(|config| config.port), Ok(6379));
}

#[test]
fn a_file_is_read_as_redis_reads_it() {
    let config = from_file(
        "# a comment\r\n  PORT\t7000\r\n\r\nrequirepass \"a b\\\"\\x41\\n\"\nlogfile 'it\\'s'\nbind 127.0.0.1 -::1\n\
         proto-max-bulk-len 1GB\nclient-query-buffer-limit 2m\nprotected-mode NO\nhash-max-ziplist-entries 7\n\
         hz 100000\nunixsocketperm 700\nappendonly no\nmaxmemory 0mb\nsave \"\"\nlist-max-ziplist-value 64\n\
         activerehashing no\nhll-sparse-max-bytes 3kb\nset-max-intset-entries 0",
    );
    let config = config.expect("all is right");
    assert_eq!(config.port, 7000);
    assert_eq!(config.requirepass, "a b\"A\n");
    assert_eq!(config.logfile, "it's");
    assert_eq!(config.bind_addresses().collect::<Vec<_>>(), [("127.0.0.1", false), ("::1", true)]);
    assert_eq!((config.proto_max_bulk_len, config.client_query_buffer_limit), (1 << 30, 2_000_000));
    assert_eq!((config.protected_mode, config.hz, config.unixsocketperm), (false, 500, 0o700));
    assert_eq!((config.hash_max_listpack_entries, config.hll_sparse_max_bytes), (7, 3072));
    assert_eq!(config.idle.get("activerehashing").map(String::as_str), Some("no"));
}

#[test]
fn words_are_split_as_sdssplitargs_does() {
    let split = |line: &str| {
        let words = split_words(line.as_bytes());
        words.map(|words| words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>())
    };
    for (line, words) in [
        ("a  b\tc", Some(vec!["a", "b", "c"])),
        ("\"a b\" ''", Some(vec!["a b", ""])),
        (r#""\x41\xff\n\t\q\"" "#, Some(vec![r#"A\xff\n\tq\""#])),
        (r#"'a\'b\n'"#, Some(vec![r"a\'b\\n"])),
        (r#"pre"fix" x"#, Some(vec!["prefix", "x"])),
        (r#""a"b"#, None),
        ("'a'b", None),
        ("\"a", None),
        ("'a", None),
        ("\"a\\", None),
    ] {
        let words = words.map(|words| words.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(split(line), words, "{line}");
    }
}

#[test]
fn included_files_are_read_in_their_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let write = |name: &str, bytes: &str| fs::write(path(name), bytes).expect("written");
    write("1.inc", "hz 1\ntimeout 1\n");
    write("2.inc", "hz 2\n");
    write("loop.conf", &format!("include {}\n", path("loop.conf")));
    write("bad.inc2", "\nport x\n");
    let config = from_file(&format!("hz 9\ninclude {}\ntimeout 3", path("*.inc"))).expect("all is right");
    assert_eq!((config.hz, config.timeout), (2, 3));
    assert!(from_file(&format!("include {}", path("none*"))).is_ok());
    let looped = from_file(&format!("include {}", path("loop.conf"))).err().unwrap_or_default();
    assert!(looped.ends_with("loop.conf:1: files include each other too deeply"), "{looped}");
    let bad = from_file(&format!("include {}", path("bad.inc2"))).err().unwrap_or_default();
    assert!(bad.ends_with("bad.inc2:2: port 'x': argument couldn't be parsed into an integer"), "{bad}");
}

#[test]
fn get_takes_several_patterns_and_answers_each_name_once() {
    let settings = settings();
    let names = |patterns: &[&str]| {
        let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        settings.get(&patterns).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names(&["timeout"]), ["timeout"]);
    assert_eq!(names(&["HZ", "hz", "nosuch"]), ["HZ"]);
    assert_eq!(
        names(&["*-TIMEOUT", "time*", "*TIMEOUT"]),
        ["repl-timeout", "cluster-node-timeout", "tls-session-cache-timeout", "shutdown-timeout", "timeout"]
    );
    let aliased = ["hash-max-listpack-entries", "hash-max-ziplist-entries"];
    assert_eq!(names(&["hash-max-*entries"]), aliased);
    assert!(!names(&["*"]).contains(&"seed".to_owned()), "hidden from patterns");
    assert_eq!(names(&["seed"]), ["seed"]);
    assert!(names(&["*"]).len() > COUNT, "every name and every older name");
    assert_eq!(get(&settings, "maxmemory-policy"), "noeviction");
    assert_ne!(get(&settings, "io-threads"), "0");
    assert!(get(&settings, "dir").starts_with('/'));
}

#[test]
fn set_changes_all_or_nothing() {
    let settings = settings();
    assert_eq!(set(&settings, &[("timeout", "60"), ("HZ", "20")]), Ok(()));
    assert_eq!((settings.timeout(), settings.hz()), (60, 20));
    let failed = "ERR CONFIG SET failed (possibly related to argument 'hz') - argument couldn't be parsed into an integer";
    assert_eq!(
        set(&settings, &[("timeout", "61"), ("requirepass", "x"), ("hz", "x")]),
        Err(failed.to_owned())
    );
    assert_eq!((settings.timeout(), settings.requirepass().as_ref()), (60, ""));
    let pairs = [("list-max-ziplist-size", "-3"), ("list-max-listpack-size", "-4")];
    assert_eq!(set(&settings, &pairs), Ok(()));
    assert_eq!(settings.list_max_listpack_size(), -4);
}

#[test]
fn a_listener_that_refuses_takes_the_whole_change_back() {
    let settings = settings();
    settings.on_change(|settings, name| match (name, settings.maxclients()) {
        ("maxclients", 5000..) => Err("too many".to_owned()),
        _ => Ok(()),
    });
    assert_eq!(set(&settings, &[("maxclients", "4000")]), Ok(()));
    let refused = "ERR CONFIG SET failed (possibly related to argument 'maxclients') - too many";
    assert_eq!(set(&settings, &[("timeout", "5"), ("maxclients", "6000")]), Err(refused.to_owned()));
    assert_eq!((settings.timeout(), settings.maxclients()), (0, 4000));
}

#[test]
fn settings_of_absent_features_take_only_their_default() {
    let settings = settings();
    let quiet = [("appendonly", "no"), ("save", ""), ("maxmemory", "0"), ("activerehashing", "no")];
    assert_eq!(set(&settings, &quiet), Ok(()));
    assert_eq!(get(&settings, "activerehashing"), "no");
    for pair in
        [("activedefrag", "yes"), ("rdbchecksum", "no"), ("replica-priority", "1"), ("replica-priority", "x")]
    {
        let line = format!(
            "ERR CONFIG SET failed (possibly related to argument '{}') - can't set immutable config",
            pair.0
        );
        assert_eq!(set(&settings, &[pair]), Err(line));
    }
}

#[test]
fn secrets_are_kept_out_of_errors_and_debug_prints() {
    assert!(is_sensitive(b"RequirePass") && !is_sensitive(b"port"));
    let settings = Settings::new(&Config::default().requirepass("hunter2")).expect("right");
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert_eq!(get(&settings, "requirepass"), "hunter2", "CONFIG GET shows it, as in Redis");
}

/// What `CONFIG SET` refuses in the same words as redis-server 7.0.15 (compared in the test below).
const REFUSED: &[(&[(&str, &str)], &str)] = &[
    (&[("nosuch", "1")], "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"),
    (
        &[("timeout", "1"), ("nosuch", "2")],
        "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
    ),
    (&[("io-threads", "2"), ("nosuch", "1")], "'io-threads') - can't set immutable config"),
    (
        &[("nosuch", "1"), ("io-threads", "2")],
        "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
    ),
    (&[("IO-threads", "1")], "'IO-threads') - can't set immutable config"),
    (&[("databases", "x")], "'databases') - can't set immutable config"),
    (&[("dir", "/")], "'dir') - can't set protected config"),
    (&[("hz", "10"), ("Hz", "11")], "'Hz') - duplicate parameter"),
    (&[("timeout", "007")], "'timeout') - argument couldn't be parsed into an integer"),
    (&[("timeout", "+7")], "'timeout') - argument couldn't be parsed into an integer"),
    (&[("timeout", "")], "'timeout') - argument couldn't be parsed into an integer"),
    (&[("TIMEOUT", "5 6")], "'timeout') - argument couldn't be parsed into an integer"),
    (&[("timeout", "99999999999999999999")], "'timeout') - argument couldn't be parsed into an integer"),
    (&[("timeout", "-1")], "'timeout') - argument must be between 0 and 2147483647 inclusive"),
    (&[("tcp-keepalive", "60kb")], "'tcp-keepalive') - argument couldn't be parsed into an integer"),
    (&[("tcp-keepalive", "-1")], "'tcp-keepalive') - argument must be between 0 and 2147483647 inclusive"),
    (&[("maxclients", "0")], "'maxclients') - argument must be between 1 and 4294967295 inclusive"),
    (&[("hz", "-1")], "'hz') - argument must be between 0 and 2147483647 inclusive"),
    (
        &[("active-expire-effort", "11")],
        "'active-expire-effort') - argument must be between 1 and 10 inclusive",
    ),
    (&[("lfu-log-factor", "-1")], "'lfu-log-factor') - argument must be between 0 and 2147483647 inclusive"),
    (&[("lfu-decay-time", "-1")], "'lfu-decay-time') - argument must be between 0 and 2147483647 inclusive"),
    (
        &[("slowlog-log-slower-than", "-2")],
        "'slowlog-log-slower-than') - argument must be between -1 and 9223372036854775807 inclusive",
    ),
    (
        &[("slowlog-max-len", "-1")],
        "'slowlog-max-len') - argument must be between 0 and 9223372036854775807 inclusive",
    ),
    (
        &[("latency-monitor-threshold", "-1")],
        "'latency-monitor-threshold') - argument must be between 0 and 9223372036854775807 inclusive",
    ),
    (
        &[("proto-max-bulk-len", "1")],
        "'proto-max-bulk-len') - argument must be between 1048576 and 9223372036854775807 inclusive",
    ),
    (&[("proto-max-bulk-len", "-1")], "'proto-max-bulk-len') - argument must be a memory value"),
    (&[("proto-max-bulk-len", "1tb")], "'proto-max-bulk-len') - argument must be a memory value"),
    (
        &[("proto-max-bulk-len", "99999999999999999999")],
        "'proto-max-bulk-len') - argument must be between 1048576 and 9223372036854775807 inclusive",
    ),
    (
        &[("client-query-buffer-limit", "1")],
        "'client-query-buffer-limit') - argument must be between 1048576 and 9223372036854775807 inclusive",
    ),
    (&[("hash-max-ziplist-value", "abc")], "'hash-max-ziplist-value') - argument must be a memory value"),
    (
        &[("hash-max-listpack-entries", "-1")],
        "'hash-max-listpack-entries') - argument must be between 0 and 9223372036854775807 inclusive",
    ),
    (
        &[("set-max-intset-entries", "-1")],
        "'set-max-intset-entries') - argument must be between 0 and 9223372036854775807 inclusive",
    ),
    (
        &[("stream-node-max-entries", "-1")],
        "'stream-node-max-entries') - argument must be between 0 and 9223372036854775807 inclusive",
    ),
    (&[("hll-sparse-max-bytes", "-1")], "'hll-sparse-max-bytes') - argument must be a memory value"),
    (
        &[("list-max-listpack-size", "99999999999")],
        "'list-max-listpack-size') - argument must be between -2147483648 and 2147483647 inclusive",
    ),
    (
        &[("list-compress-depth", "-1")],
        "'list-compress-depth') - argument must be between 0 and 2147483647 inclusive",
    ),
    (&[("lazyfree-lazy-expire", "maybe")], "'lazyfree-lazy-expire') - argument must be 'yes' or 'no'"),
    (
        &[("notify-keyspace-events", "KEQ")],
        "'notify-keyspace-events') - Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
    ),
    (
        &[("client-output-buffer-limit", "normal 1")],
        "'client-output-buffer-limit') - Wrong number of arguments in buffer limit configuration.",
    ),
    (
        &[("client-output-buffer-limit", "master 1 2 3")],
        "'client-output-buffer-limit') - Invalid client class specified in buffer limit configuration.",
    ),
    (
        &[("client-output-buffer-limit", "normal 1mb x 60")],
        "'client-output-buffer-limit') - Error in hard, soft or soft_seconds setting in buffer limit configuration.",
    ),
    (
        &[("client-output-buffer-limit", "normal 1mb 1 -1")],
        "'client-output-buffer-limit') - Error in hard, soft or soft_seconds setting in buffer limit configuration.",
    ),
];

/// What `CONFIG SET` takes, and what `CONFIG GET` answers then.
const TAKEN: &[(&str, &str, &str)] = &[
    ("timeout", "7", "7"),
    ("hz", "1000", "500"),
    ("hz", "0", "1"),
    ("proto-max-bulk-len", "2gB", "2147483648"),
    ("client-query-buffer-limit", "2M", "2000000"),
    ("hll-sparse-max-bytes", "", "0"),
    ("hll-sparse-max-bytes", "10b", "10"),
    ("stream-node-max-bytes", "3K", "3000"),
    ("lazyfree-lazy-expire", "YES", "yes"),
    ("loglevel", "WARNING", "warning"),
    ("list-max-ziplist-size", "-9", "-9"),
    ("notify-keyspace-events", "KEAx", "AKE"),
    ("notify-keyspace-events", "Kg$lszxem", "g$lszxeKm"),
    ("notify-keyspace-events", "ngK", "gnK"),
    ("notify-keyspace-events", "", ""),
    (
        "client-output-buffer-limit",
        "normal 1mb 512kb 60 replica 1 2 3",
        "normal 1048576 524288 60 slave 1 2 3 pubsub 33554432 8388608 60",
    ),
    (
        "client-output-buffer-limit",
        "PUBSUB 1g 0 0",
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 1000000000 0 0",
    ),
    ("client-output-buffer-limit", "", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
];

#[test]
fn set_refuses_in_redis_words_and_answers_as_redis_does() {
    let settings = settings();
    for (pairs, words) in REFUSED {
        let words = match words.strip_prefix('\'') {
            Some(words) => format!("ERR CONFIG SET failed (possibly related to argument '{words}"),
            None => (*words).to_owned(),
        };
        assert_eq!(set(&settings, pairs), Err(words), "{pairs:?}");
    }
    for (name, given, answer) in TAKEN {
        let settings = self::settings();
        assert_eq!(set(&settings, &[(name, given)]), Ok(()), "{name} {given}");
        assert_eq!(get(&settings, name), *answer, "{name} {given}");
    }
}

/// Replays the lists above on a real server (`DAMSELFLY_ORACLE=host:port`), which is left as it was found.
#[test]
fn a_real_server_says_the_same() {
    let oracle = std::env::var("DAMSELFLY_ORACLE").ok().filter(|oracle| oracle.contains(':'));
    let Some(oracle) = oracle else { return };
    let client = redis::Client::open(format!("redis://{oracle}")).expect("host:port");
    let mut server = client.get_connection().expect("the oracle is up");
    let mut ask = |command: &str, words: &[&str]| {
        let reply = redis::cmd("CONFIG").arg(command).arg(words).query::<redis::Value>(&mut server);
        match reply {
            Ok(redis::Value::Array(pair)) => match pair.as_slice() {
                [_, redis::Value::BulkString(text)] => Ok(String::from_utf8_lossy(text).into_owned()),
                [] => Err("unknown there".to_owned()),
                other => panic!("{other:?}"),
            },
            Ok(_) => Ok(String::new()),
            Err(error) => Err(format!("ERR {}", error.detail().unwrap_or_default())),
        }
    };
    let settings = settings();
    for (pairs, _) in REFUSED {
        let words: Vec<&str> = pairs.iter().flat_map(|(name, text)| [*name, *text]).collect();
        assert_eq!(ask("SET", &words).err(), set(&settings, pairs).err(), "{pairs:?}");
    }
    for (name, given, answer) in TAKEN {
        // What damselfly alone has.
        let Ok(before) = ask("GET", &[name]) else { continue };
        let default = get(&settings, name);
        assert_eq!(ask("SET", &[name, &default]), Ok(String::new()), "{name} {default}");
        assert_eq!(ask("SET", &[name, given]), Ok(String::new()), "{name} {given}");
        assert_eq!(ask("GET", &[name]).as_deref(), Ok(*answer), "{name} {given}");
        assert_eq!(ask("SET", &[name, &before]), Ok(String::new()));
    }
    // 7.2's settings, and those that damselfly alone has, are not known to 7.0.
    let elsewhere = ["set-max-listpack", "cache-mode", "snapshot-cron", "admin-"];
    let unknown: Vec<&str> = ROWS
        .iter()
        .filter(|row| row.change == Change::Live && !elsewhere.iter().any(|name| row.name.starts_with(name)))
        .filter(|row| ask("GET", &[row.name]).is_err())
        .map(|row| row.name)
        .collect();
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn a_rewritten_file_keeps_its_comments_and_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.conf");
    let old = "# mine\nport 7000\nsave \"\"\n\n\n# hz\nhz 10\nclient-output-buffer-limit normal 1mb 0 0\n\
               client-output-buffer-limit normal 2mb 0 0\nTimeout 5\ntimeout 6\nrequirepass 'a b\"c'\n\
               include /dev/null\nhash-max-ziplist-entries 100\n# tail\n";
    fs::write(&path, old).expect("written");
    let text = ConfigText::open(&path).expect("there");
    let config = Config::from_sources(&[("tcp-keepalive".into(), "9".into())], [], Some(&text));
    let settings = Settings::new(&config.expect("right")).expect("right");
    let pairs = [
        ("proto-max-bulk-len", "1gb"),
        ("notify-keyspace-events", "KEA"),
        ("hash-max-listpack-entries", "512"),
    ];
    assert_eq!(set(&settings, &pairs), Ok(()));
    assert_eq!(settings.rewrite().map_err(|error| error.to_string()), Ok(()));
    let new = fs::read_to_string(&path).expect("there");
    assert_eq!(
        new,
        "# mine\nport 7000\nsave \"\"\n\n# hz\nhz 10\nclient-output-buffer-limit normal 2mb 0 0\n\
         client-output-buffer-limit replica 256mb 64mb 60\ntimeout 6\nrequirepass \"a b\\\"c\"\ninclude /dev/null\n\
         hash-max-listpack-entries 512\n# tail\n\n# Generated by CONFIG REWRITE\ntcp-keepalive 9\n\
         proto-max-bulk-len 1gb\nnotify-keyspace-events \"AKE\"\n"
    );
    assert_eq!(settings.rewrite().map_err(|error| error.to_string()), Ok(()));
    assert_eq!(fs::read_to_string(&path).expect("there"), new, "a second time changes nothing");
    let again = Config::from_sources(&[], [], Some(&ConfigText::open(&path).expect("there")));
    assert_eq!(again.ok(), Some(settings.config()));
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1, "nothing is left beside it");
}

#[test]
fn without_a_file_there_is_nothing_to_rewrite() {
    let refused = settings().rewrite().map_err(|error| error.to_string());
    assert_eq!(refused, Err("ERR The server is running without a config file".to_owned()));
}

quickcheck! {
    fn any_text_survives_the_file(secret: String) -> bool {
        let secret: String = secret.chars().filter(|character| *character != '\0').collect();
        let settings = Settings::new(&Config::default().requirepass(secret.clone())).expect("any text");
        let values = settings.config().values();
        from_file(&file::rewritten("", &values, None)).is_ok_and(|config| config.requirepass == secret)
    }

    fn no_file_makes_it_panic(bytes: Vec<u8>, line: String) -> bool {
        let broken = ConfigText { name: String::new(), path: None, bytes: [bytes, line.into_bytes()].concat() };
        let _ = Config::from_sources(&[], [], Some(&broken));
        true
    }

    fn a_number_is_taken_exactly_within_its_range(number: i64) -> bool {
        ROWS.iter().all(|row| match row.kind {
            Kind::Int(min, max) => {
                row.kind.parse(&number.to_string(), None).is_ok() == (min..=max).contains(&number)
            }
            _ => true,
        })
    }
}

#[test]
fn the_automatic_number_of_shards_is_a_power_of_two() {
    let settings = settings();
    assert!(settings.shards_effective().is_power_of_two());
    assert!((16..=256).contains(&settings.shards_effective()));
    assert_eq!(Settings::new(&Config::default().shards(4)).map(|four| four.shards_effective()).ok(), Some(4));
    assert_eq!(default_value(&ROWS[0]), Value::Text("127.0.0.1 -::1".to_owned()));
}

/// `UPDATE_DOCS=1 cargo test documentation` writes the file.
#[test]
fn the_documentation_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.with_file_name(""))
            .and_then(|()| fs::write(&path, documentation()))
            .expect("written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == documentation(), "stale: UPDATE_DOCS=1 cargo test documentation");
}
