//! The console over HTTP: who may do what, the shapes that clients rely on, Prometheus' text form.
#![cfg(all(feature = "console", feature = "testkit"))]

use damselfly::console::{self, Options, Serving};
use damselfly::testkit::{Builder, TestServer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

struct House {
    kit: TestServer,
    console: Serving,
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON: {error}: {}", self.body))
    }

    #[track_caller]
    fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    #[track_caller]
    fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json()["error"].as_str()), (status, Some(code)), "{}", self.body);
        assert!(self.json()["message"].is_string());
    }
}

fn house_of(builder: Builder, options: Options) -> House {
    let kit = builder.start();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let console = console::serve(kit.db(), listener, options).expect("it is served");
    House { kit, console }
}

fn house() -> House {
    house_of(TestServer::builder(), Options::default())
}

fn request(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut stream = TcpStream::connect(addr).expect("it listens");
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str(&format!("Host: {addr}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).expect("sent");
    let mut whole = Vec::new();
    stream.read_to_end(&mut whole).expect("an answer");
    let whole = String::from_utf8(whole).expect("text");
    let (head, body) = whole.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
    let headers = lines.filter_map(|line| line.split_once(": "));
    Answer {
        status: status.parse().expect("a number"),
        headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect(),
        body: body.to_owned(),
    }
}

impl House {
    fn get(&self, path: &str) -> Answer {
        request(self.console.address(), "GET", path, &[], "")
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        request(self.console.address(), "POST", path, &[], body)
    }

    fn with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        request(self.console.address(), method, path, headers, body)
    }
}

fn keys_of(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

// ---- The contract with existing clients -----------------------------------------------------------------------

#[test]
fn health_has_its_shape_and_is_200() {
    let house = house();
    let health = house.get("/dragonfly/health").ok();
    assert_eq!(keys_of(&health), BTreeSet::from(["connected", "latency_ms", "message", "status"]));
    assert_eq!(health["connected"], json!(true));
    assert!(health["latency_ms"].as_f64().is_some_and(|ms| ms >= 0.0));
    assert!(["healthy", "slow"].contains(&health["status"].as_str().expect("text")));
    house.kit.full_disk();
    let health = house.get("/dragonfly/health").ok();
    assert_eq!((&health["status"], &health["connected"]), (&json!("degraded"), &json!(true)));
    assert_eq!(house.get("/dragonfly/health?probe=1").status, 200);
}

#[test]
fn stats_have_their_shape() {
    let house = house();
    house.kit.client().call(["SET", "tracks:1", "x"]).expect("set");
    house.kit.client().call(["GET", "tracks:1"]).expect("got");
    house.kit.client().call(["GET", "tracks:2"]).expect("missed");
    let stats = house.get("/dragonfly/stats").ok();
    let sections = ["memory", "clients", "keyspace", "server", "stats", "cpu", "dashboard"];
    assert!(keys_of(&stats).is_superset(&BTreeSet::from(sections)));
    assert!(stats["memory"]["used_memory_human"].is_string());
    assert!(stats["memory"]["used_memory_peak_human"].is_string());
    assert!(stats["clients"]["connected_clients"].is_u64());
    assert_eq!(stats["keyspace"]["db0"]["keys"], json!(1));
    assert!(stats["server"]["uptime_in_seconds"].is_u64());
    for name in ["keyspace_hits", "keyspace_misses", "instantaneous_ops_per_sec", "total_commands_processed"]
    {
        assert!(stats["stats"][name].is_u64(), "{name}");
    }
    assert_eq!(stats["stats"]["hit_rate"].as_f64(), Some(50.0));
    for name in ["cache_hit_rate", "avg_response_time", "total_cached_items", "memory_usage", "error_rate"] {
        assert!(stats["dashboard"][name].is_string(), "{name}");
    }
    assert_eq!(stats["dashboard"]["cache_hit_rate"], json!("50.0%"));
    // An empty server has an empty first database rather than none.
    house.kit.clear();
    assert_eq!(house.get("/dragonfly/stats").ok()["keyspace"]["db0"]["keys"], json!(0));
}

#[test]
fn services_and_keys_have_their_shape() {
    let house = house();
    for key in ["tracks:1", "tracks:2", "homepage:{u:1}:mixes", "{jobs:download}:ready", "plain"] {
        house.kit.db().set(key, "x").expect("set");
    }
    let services = house.get("/dragonfly/services").ok();
    let services = services["services"].as_array().expect("an array");
    for service in services {
        assert_eq!(keys_of(service), BTreeSet::from(["name", "key_count", "hit_rate", "last_updated"]));
        assert!(
            service["name"].is_string()
                && service["key_count"].is_u64()
                && service["last_updated"].is_string()
        );
        assert!(service["hit_rate"].as_f64().is_some_and(|rate| (0.0..=100.0).contains(&rate)));
    }
    let count =
        |name: &str| services.iter().find(|one| one["name"] == name).map(|one| one["key_count"].clone());
    assert_eq!(count("tracks"), Some(json!(2)));
    assert_eq!(count("jobs"), Some(json!(1)));
    assert_eq!(count("spotify"), Some(json!(0)));
    let keys = house.get("/dragonfly/keys").ok();
    assert_eq!(keys_of(&keys), BTreeSet::from(["keys", "total"]));
    assert_eq!(keys["total"], json!(5));
    let rows = keys["keys"].as_array().expect("an array");
    assert!(
        rows.iter()
            .all(|row| keys_of(row) == BTreeSet::from(["namespace", "count"]) && row["count"].is_u64())
    );
    assert!(rows.contains(&json!({ "namespace": "homepage", "count": 1 })));
}

#[test]
fn a_namespace_is_cleared_and_what_exists_nowhere_else_is_kept() {
    let house = house();
    let db = house.kit.db();
    for number in 0..1200 {
        db.set(format!("tracks:{number}"), "x").expect("set");
    }
    for key in ["{tracks:x}:1", "tracksuit:1", "sessions:s:1", "{jobs:a}:ready", "mine:1", "albums:1"] {
        db.set(key, "x").expect("set");
    }
    db.select(3).and_then(|db| db.set("tracks:elsewhere", "x")).expect("set");
    let cleared = house.post("/dragonfly/clear/tracks", "").ok();
    assert_eq!(keys_of(&cleared), BTreeSet::from(["success", "message", "cleared_count", "namespace"]));
    assert_eq!((&cleared["success"], &cleared["cleared_count"]), (&json!(true), &json!(1202)));
    house.post("/dragonfly/clear/sessions", "").refused(409, "protected");
    house.post("/dragonfly/clear/jobs", "").refused(409, "protected");
    house.post("/dragonfly/clear/mine", "").refused(409, "protected");
    house.post("/dragonfly/clear/nothing", "").refused(404, "not_found");
    for wrong in ["UPPER", "a%20b", "%2A", "a%3Ab", "x".repeat(33).as_str()] {
        house.post(&format!("/dragonfly/clear/{wrong}"), "").refused(400, "bad_namespace");
    }
    let all = house.post("/dragonfly/clear-all", "").ok();
    assert_eq!(keys_of(&all), BTreeSet::from(["success", "message", "cleared_count"]));
    assert_eq!(all["cleared_count"], json!(1));
    assert_eq!(house.post("/dragonfly/clear/jobs?force=true", "").ok()["cleared_count"], json!(1));
    house
        .kit
        .assert_dump("\"mine:1\" string \"x\"\n\"sessions:s:1\" string \"x\"\n\"tracksuit:1\" string \"x\"");
}

// ---- Who may what ---------------------------------------------------------------------------------------------

fn guarded() -> House {
    let house = house_of(TestServer::builder().password("pass"), Options::default());
    let call = |argv: &[&str]| house.kit.db().call(argv).expect("a user");
    call(&["ACL", "SETUSER", "looker", "on", ">look", "~*", "+@read", "+info", "+slowlog|get"]);
    call(&["ACL", "SETUSER", "narrow", "on", ">n", "~mine:*", "+@read", "+@write"]);
    house
}

/// `default:pass`, `looker:look`, `narrow:n` as browsers write them.
const ADMIN: (&str, &str) = ("Authorization", "Basic ZGVmYXVsdDpwYXNz");
const LOOKER: (&str, &str) = ("Authorization", "Basic bG9va2VyOmxvb2s=");
const NARROW: (&str, &str) = ("Authorization", "Basic bmFycm93Om4=");

#[test]
fn nothing_is_shown_without_a_password_where_one_is_needed() {
    let house = guarded();
    for path in [
        "/dragonfly/health",
        "/dragonfly/stats",
        "/api/overview",
        "/api/keys",
        "/metrics",
        "/api/live",
        "/api/session",
    ] {
        let answer = house.get(path);
        answer.refused(401, "unauthorized");
        assert!(answer.headers["www-authenticate"].starts_with("Basic"), "{path}");
        // A page of ours asks for itself.
        let answer = house.with("GET", path, &[("Sec-Fetch-Mode", "cors")], "");
        assert!(answer.status == 401 && !answer.headers.contains_key("www-authenticate"));
        assert_eq!(
            house.with("GET", path, &[("Authorization", "Basic ZGVmYXVsdDp3cm9uZw==")], "").status,
            401
        );
    }
    // The page, and the probes that say nothing.
    for path in ["/", "/console.js", "/console.css", "/healthz", "/readyz"] {
        assert_eq!(house.get(path).status, 200, "{path}");
    }
    for path in ["/dragonfly/health", "/dragonfly/stats", "/api/overview", "/metrics", "/api/namespaces"] {
        assert_eq!(house.with("GET", path, &[LOOKER], "").status, 200, "{path}");
    }
}

#[test]
fn only_administrators_change_anything_and_rules_hold_for_keys() {
    let house = guarded();
    house.kit.db().set("tracks:1", "x").expect("set");
    house.kit.db().set("mine:1", "y").expect("set");
    for user in [LOOKER, NARROW] {
        house.with("POST", "/dragonfly/clear/tracks", &[user], "").refused(403, "admin");
        house.with("DELETE", "/api/key?id=6d696e653a31", &[user], "").refused(403, "admin");
        house.with("POST", "/api/save", &[user], "").refused(403, "admin");
        house.with("DELETE", "/api/slowlog", &[user], "").refused(403, "admin");
    }
    // 'mine:1' and 'tracks:1'.
    assert_eq!(
        house.with("GET", "/api/key?id=6d696e653a31", &[NARROW], "").ok()["value"]["text"],
        json!("y")
    );
    house.with("GET", "/api/key?id=747261636b733a31", &[NARROW], "").refused(403, "forbidden");
    house.with("GET", "/api/overview", &[NARROW], "").refused(403, "forbidden");
    house.with("GET", "/api/clients", &[LOOKER], "").refused(403, "forbidden");
    assert_eq!(house.with("POST", "/dragonfly/clear/tracks", &[ADMIN], "").ok()["cleared_count"], json!(1));
}

#[test]
fn a_session_begins_with_a_login_and_its_changes_carry_its_token() {
    let house = guarded();
    let wrong = r#"{"user":"default","password":"no"}"#;
    house.post("/api/login", wrong).refused(401, "unauthorized");
    let right = r#"{"user":"default","password":"pass"}"#;
    house.with("POST", "/api/login", &[("Origin", "http://elsewhere")], right).refused(403, "foreign");
    let answer = house.post("/api/login", right);
    let session = answer.ok();
    assert_eq!((&session["user"], &session["admin"]), (&json!("default"), &json!(true)));
    let cookie = &answer.headers["set-cookie"];
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = ("Cookie", cookie.split(';').next().expect("a pair"));
    let token = ("X-CSRF-Token", session["token"].as_str().expect("a token"));
    assert_eq!(house.with("GET", "/api/overview", &[cookie], "").status, 200);
    house.with("POST", "/dragonfly/clear/tracks", &[cookie], "").refused(403, "token");
    house.with("POST", "/dragonfly/clear/tracks", &[cookie, ("X-CSRF-Token", "0")], "").refused(403, "token");
    house
        .with("POST", "/dragonfly/clear/tracks", &[cookie, token, ("Sec-Fetch-Site", "cross-site")], "")
        .refused(403, "foreign");
    house.with("POST", "/dragonfly/clear/tracks", &[cookie, token], "").ok();
    // A user who is deleted is out at once.
    let looker = house.post("/api/login", r#"{"user":"looker","password":"look"}"#);
    let other = ("Cookie", looker.headers["set-cookie"].split(';').next().expect("a pair"));
    assert_eq!(house.with("GET", "/api/overview", &[other], "").status, 200);
    house.kit.db().call(["ACL", "DELUSER", "looker"]).expect("deleted");
    assert_eq!(house.with("GET", "/api/overview", &[other], "").status, 401);
    house.with("POST", "/api/logout", &[cookie], "").ok();
    assert_eq!(house.with("GET", "/api/overview", &[cookie], "").status, 401);
}

#[test]
fn without_a_password_foreign_pages_and_foreign_names_are_kept_out() {
    let house = house();
    let change = |headers: &[(&str, &str)]| house.with("POST", "/dragonfly/clear/tracks", headers, "");
    change(&[]).ok();
    change(&[("Origin", "http://evil.example")]).refused(403, "foreign");
    change(&[("Sec-Fetch-Site", "cross-site")]).refused(403, "foreign");
    // A name that somebody has made to mean this machine.
    change(&[("Host", "evil.example")]).refused(403, "host");
    house.with("GET", "/api/keys", &[("Host", "evil.example:80")], "").refused(403, "host");
    assert_eq!(house.with("GET", "/api/keys", &[("Host", "localhost:1")], "").status, 200);
    house.kit.db().call(["CONFIG", "SET", "admin-hosts", "cache.example"]).expect("set");
    assert_eq!(house.with("GET", "/api/keys", &[("Host", "cache.example")], "").status, 200);
    let answer = house.get("/");
    assert!(answer.headers["content-security-policy"].contains("default-src 'none'"));
    assert!(
        !answer.body.contains("http://")
            || answer.body.contains("http://www.w3.org")
            || answer.body.contains("www.w3.org")
    );
}

#[test]
fn a_console_for_reading_only_changes_nothing() {
    let house = house_of(TestServer::builder(), Options::default().read_only(true));
    house.kit.db().set("tracks:1", "x").expect("set");
    house.post("/dragonfly/clear/tracks", "").refused(403, "read_only");
    house.post("/dragonfly/clear-all", "").refused(403, "read_only");
    assert_eq!(house.get("/api/session").ok()["read_only"], json!(true));
    house.kit.assert_exists("tracks:1");
    let house = self::house();
    house.kit.db().call(["CONFIG", "SET", "admin-read-only", "yes"]).expect("set");
    house.post("/dragonfly/clear/tracks", "").refused(403, "read_only");
}

// ---- The page's own -------------------------------------------------------------------------------------------

fn hex(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn keys_are_found_and_shown_as_what_they_are() {
    let house = house();
    let call = |argv: &[&str]| house.kit.db().call(argv).expect("a value");
    call(&["SET", "s", "hello", "EX", "100"]);
    call(&["RPUSH", "l", "a", "b"]);
    call(&["SADD", "set", "m"]);
    call(&["HSET", "h", "f", "v"]);
    call(&["ZADD", "z", "1.5", "m"]);
    call(&["XADD", "x", "1-1", "f", "v"]);
    call(&["XGROUP", "CREATE", "x", "g", "0"]);
    house.kit.db().set([0xff, 0x00], [0xfe]).expect("set");
    let list = house.get("/api/keys").ok();
    assert_eq!(list["keys"].as_array().map(Vec::len), Some(7));
    assert_eq!(list["cursor"], json!(""));
    let only = house.get("/api/keys?kind=hash").ok();
    assert_eq!(only["keys"][0]["name"]["text"], json!("h"));
    assert_eq!(house.get("/api/keys?pattern=se").ok()["keys"].as_array().map(Vec::len), Some(1));
    let view = |key: &str| house.get(&format!("/api/key?id={}", hex(key))).ok();
    let string = view("s");
    assert_eq!((&string["kind"], &string["encoding"]), (&json!("string"), &json!("embstr")));
    assert_eq!(string["value"]["text"], json!("hello"));
    assert!(string["ttl_ms"].as_i64().is_some_and(|ms| ms > 90_000));
    assert_eq!(view("l")["value"][1]["text"], json!("b"));
    assert_eq!(view("set")["value"][0]["text"], json!("m"));
    assert_eq!(view("h")["value"][0][1]["text"], json!("v"));
    assert_eq!(view("z")["value"][0][1], json!(1.5));
    assert_eq!(view("x")["value"]["entries"][0][0]["text"], json!("1-1"));
    assert_eq!(view("x")["value"]["groups"].as_array().map(Vec::len), Some(1));
    let binary = house.get("/api/key?id=ff00").ok();
    assert_eq!((&binary["value"]["binary"], &binary["value"]["text"]), (&json!(true), &json!("\\xfe")));
    house.get("/api/key?id=6e6f6e65").refused(404, "not_found");
    house.get("/api/key?id=xyz").refused(400, "key");
    house.get("/api/key?id=6&db=0").refused(400, "key");
    house.get("/api/keys?db=99").refused(400, "db");
    assert_eq!(house.get("/api/keys?db=-1").status, 400);
    house.get("/nowhere").refused(404, "not_found");
}

#[test]
fn long_values_come_in_pages() {
    let house = house();
    let db = house.kit.db();
    db.rpush("l", (0..250).map(|n| n.to_string())).expect("pushed");
    for n in 0..250 {
        db.call(["XADD", "x", &format!("{}-1", n + 1), "n", &n.to_string()]).expect("added");
    }
    for key in ["l", "x"] {
        let mut from = String::new();
        let mut seen = 0;
        loop {
            let page = house.get(&format!("/api/key?id={}&from={from}", hex(key))).ok();
            let rows = if key == "l" { &page["value"] } else { &page["value"]["entries"] };
            seen += rows.as_array().expect("rows").len();
            match page["next"].as_str() {
                Some(next) => from = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(seen, 250, "{key}");
    }
    db.set("big", vec![b'x'; 100_000]).expect("set");
    let big = house.get(&format!("/api/key?id={}", hex("big"))).ok();
    assert_eq!((&big["value"]["cut"], &big["value"]["bytes"]), (&json!(true), &json!(100_000)));
}

#[test]
fn keys_are_changed_and_deleted() {
    let house = house();
    house.kit.db().set("k", "old").expect("set");
    house.post("/api/key/expiry", r#"{"db":0,"id":"6b","ttl_ms":60000}"#).ok();
    house.kit.assert_ttl("k", 59..=60);
    house.post("/api/key/text", r#"{"db":0,"id":"6b","text":"new"}"#).ok();
    house.kit.assert_string("k", "new");
    house.kit.assert_ttl("k", 59..=60);
    house.post("/api/key/expiry", r#"{"db":0,"id":"6b","ttl_ms":null}"#).ok();
    assert_eq!(house.kit.db().ttl("k").expect("a key").limit(), None);
    assert_eq!(house.with("DELETE", "/api/key?id=6b", &[], "").ok()["deleted"], json!(1));
    house.kit.assert_empty();
    assert_eq!(house.post("/api/key/text", "{").status, 400);
}

#[test]
fn queues_and_sessions_are_read_off_their_keys() {
    let house = house();
    let call = |argv: &[&str]| house.kit.db().call(argv).expect("a value");
    call(&["ZADD", "{jobs:download}:ready", "1", "1", "2", "2"]);
    call(&["ZADD", "{jobs:download}:dead", "3", "7"]);
    call(&["HSET", "{jobs:download}:state", "7", "x\u{1f}5\u{1f}\u{1f}\u{1f}3\u{1f}10\u{1f}"]);
    call(&["HSET", "{jobs:download}:jobs", "7", r#"{"trackhash":"abc"}"#]);
    let queues = house.get("/api/queues").ok();
    let queue = &queues["queues"][0];
    assert_eq!((&queue["name"], &queue["ready"], &queue["dead"]), (&json!("download"), &json!(2), &json!(1)));
    assert_eq!(queue["dead_jobs"][0]["attempts"], json!(3));
    assert_eq!(queue["dead_jobs"][0]["job"]["text"], json!(r#"{"trackhash":"abc"}"#));
    call(&["ZADD", "sessions:{u:7}:all", "99", "0123456789abcdef"]);
    let device = r#"{"name":"phone","ip":"10.0.0.1"}"#;
    call(&[
        "HSET",
        "sessions:{u:7}:s:0123456789abcdef",
        "made",
        "5",
        "seen",
        "7",
        "ends",
        "99",
        "device",
        device,
    ]);
    // The census goes round every few seconds.
    let mut users = Value::Null;
    for _ in 0..100 {
        users = house.get("/api/sessions").ok()["users"].clone();
        if users.as_array().is_some_and(|users| !users.is_empty()) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!((&users[0]["user"], &users[0]["count"]), (&json!("7"), &json!(1)));
    assert_eq!(users[0]["sessions"][0]["device"]["name"], json!("phone"));
    assert_eq!(users[0]["sessions"][0]["seen"], json!(7));
    assert_eq!(users[0]["sessions"][0]["id"], json!("0123456789"), "an id is not shown whole");
}

#[test]
fn figures_come_live() {
    let house = house();
    let mut stream = TcpStream::connect(house.console.address()).expect("it listens");
    write!(stream, "GET /api/live HTTP/1.1\r\nHost: {}\r\n\r\n", house.console.address()).expect("sent");
    let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
    let event = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).expect("an event");
    let now: Value = serde_json::from_str(&event).expect("JSON");
    assert_eq!(now["health"], json!([]));
    assert!(now["memory"]["used"].is_number() && now["snapshot"]["last_ok"] == json!(true));
    let second = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    assert!(second.is_some(), "another one a second later");
    let history = house.get("/api/history").ok();
    assert!(history["samples"].as_array().is_some_and(|samples| !samples.is_empty()));
    for path in ["/api/commands", "/api/slowlog", "/api/clients", "/api/overview"] {
        house.get(path).ok();
    }
}

#[test]
fn the_slow_log_and_clients_are_shown_and_dealt_with() {
    let house = house();
    let mut client = house.kit.client();
    client.call(["CLIENT", "SETNAME", "mine"]).expect("named");
    let clients = house.get("/api/clients").ok();
    let mine =
        clients["clients"].as_array().expect("clients").iter().find(|one| one["name"] == "mine").cloned();
    let id = mine.expect("it is there")["id"].clone();
    client.call(["CONFIG", "SET", "slowlog-log-slower-than", "0"]).expect("set");
    client.call(["SET", "k", "v"]).expect("set");
    let log = house.get("/api/slowlog").ok();
    assert!(log["entries"].as_array().is_some_and(|all| all.iter().any(|one| one["command"] == "SET k v")));
    assert_eq!(house.post("/api/clients/kill", &format!("{{\"id\":{id}}}")).ok()["killed"], json!(1));
    assert!(client.call(["PING"]).is_err());
    house.with("DELETE", "/api/slowlog", &[], "").ok();
}

// ---- Prometheus -----------------------------------------------------------------------------------------------

/// Families by name with their kind, and samples by name and labels, as the text form's rules have it.
fn read_metrics(text: &str) -> (BTreeMap<String, String>, BTreeMap<String, f64>) {
    let (mut families, mut samples) = (BTreeMap::new(), BTreeMap::new());
    let mut current = String::new();
    let is_name = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':')
            && !name.starts_with(|first: char| first.is_ascii_digit())
    };
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').expect("a help has words");
            assert!(is_name(name) && !words.is_empty(), "{line}");
            current = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type has a kind");
            assert_eq!(name, current, "HELP stands before TYPE");
            assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
            assert_eq!(families.insert(name.to_owned(), kind.to_owned()), None, "{name} is there twice");
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
            let name = series.split('{').next().expect("a name");
            assert!(is_name(name) && name == current, "{line} stands in the family {current}");
            if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
                let inner =
                    labels.strip_prefix('{').and_then(|labels| labels.strip_suffix('}')).expect("braces");
                for pair in inner.split("\",") {
                    let (label, _) = pair.split_once("=\"").expect("a label in quotes");
                    assert!(is_name(label), "{line}");
                }
            }
            let value: f64 = value.parse().expect("a number");
            assert_eq!(samples.insert(series.to_owned(), value), None, "{series} is there twice");
        }
    }
    (families, samples)
}

#[test]
fn metrics_have_the_exporters_names_and_the_formats_rules() {
    let house = house();
    let mut client = house.kit.client();
    client.call(["SET", "k", "v", "EX", "100"]).expect("set");
    client.call(["GET", "k"]).expect("got");
    client.call(["GET", "missing"]).expect("missed");
    client.call(["LPUSH", "k", "x"]).expect_err("a string is no list");
    let answer = house.get("/metrics");
    assert!(answer.headers["content-type"].starts_with("text/plain; version=0.0.4"));
    let (families, samples) = read_metrics(&answer.body);
    for name in [
        "redis_up",
        "redis_instance_info",
        "redis_uptime_in_seconds",
        "redis_connected_clients",
        "redis_blocked_clients",
        "redis_memory_used_bytes",
        "redis_memory_max_bytes",
        "redis_memory_used_peak_bytes",
        "redis_mem_fragmentation_ratio",
        "redis_rdb_last_save_timestamp_seconds",
        "redis_aof_enabled",
        "redis_commands_processed_total",
        "redis_connections_received_total",
        "redis_keyspace_hits_total",
        "redis_keyspace_misses_total",
        "redis_expired_keys_total",
        "redis_evicted_keys_total",
        "redis_net_input_bytes_total",
        "redis_cpu_sys_seconds_total",
        "redis_cpu_user_seconds_total",
        "redis_db_keys",
        "redis_db_keys_expiring",
        "redis_db_avg_ttl_seconds",
        "redis_commands_total",
        "redis_commands_duration_seconds_total",
        "redis_slowlog_length",
        "redis_start_time_seconds",
        "redis_config_maxmemory",
    ] {
        assert!(families.contains_key(name), "{name}");
    }
    for (name, kind) in &families {
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
    }
    assert_eq!(samples["redis_keyspace_hits_total"], 1.0);
    assert_eq!(samples["redis_keyspace_misses_total"], 1.0);
    assert_eq!(samples["redis_db_keys{db=\"db0\"}"], 1.0);
    assert_eq!(samples["redis_db_keys_expiring{db=\"db0\"}"], 1.0);
    assert_eq!(samples["redis_commands_total{cmd=\"get\"}"], 2.0);
    assert_eq!(samples["redis_errors_total{err=\"WRONGTYPE\"}"], 1.0);
    let (families, _) = read_metrics(&house.get("/metrics?prefix=dragonfly").body);
    assert!(families.contains_key("dragonfly_memory_used_bytes"));
    house.get("/metrics?prefix=x").refused(400, "prefix");
}

#[test]
fn a_program_mounts_it_where_it_likes() {
    let kit = TestServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (addr, stop) = runtime.block_on(async {
        let app = axum::Router::new().nest("/cache", console::router(kit.db(), Options::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let addr = listener.local_addr().expect("an address");
        (addr, tokio::spawn(async move { axum::serve(listener, app).await }))
    });
    let thread = std::thread::spawn(move || {
        let page = request(addr, "GET", "/cache", &[], "");
        assert!(page.body.contains("<base href=\"/cache/\">"), "{}", page.body);
        request(addr, "GET", "/cache/api/overview", &[], "").ok();
        request(addr, "GET", "/cache/dragonfly/health", &[], "").ok();
        stop.abort();
    });
    runtime.block_on(async {
        while !thread.is_finished() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    thread.join().expect("all of it holds");
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let house = house();
    house.kit.client().call(["SET", "k", "v"]).expect("set");
    let (families, _) = read_metrics(&house.get("/metrics").body);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/grafana.json");
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    assert!(panels.len() > 10);
    for target in panels.iter().flat_map(|panel| panel["targets"].as_array().expect("targets")) {
        let expression = target["expr"].as_str().expect("text");
        let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let names: Vec<&str> = words.filter(|word| word.starts_with("redis_")).collect();
        assert!(!names.is_empty(), "{expression}");
        for name in names {
            assert!(families.contains_key(name), "{name} in {expression}");
        }
    }
}
