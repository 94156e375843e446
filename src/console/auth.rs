//! Who asks, and what they may do.
//!
//! The users are the server's own (`ACL`). Somebody is a user by HTTP's basic authentication, by a session that began with
//! a login, or, where the user `default` needs no password, by saying nothing. Whatever is asked for is then run as that
//! user, so that its rules hold here as well.
//!
//! What a browser can be made to do by a foreign page is guarded against thrice: a session's cookie is not sent from
//! other sites, a change is refused where the browser says that another site made it, and a session's changes have to
//! carry its token. Who says nothing must have come to an address or to `localhost`, so that no foreign name can be made
//! to mean this server (DNS rebinding).

use super::Console;
use super::failure::Failure;
use crate::command::table::TABLE;
use crate::engine::acl::User;
use crate::hex::hex;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The session's cookie.
const COOKIE: &str = "damselfly_session";
/// The header that carries a session's token.
const TOKEN: &str = "x-csrf-token";
/// A session that is not used ends after this long.
const IDLE_MS: u64 = 12 * 3600 * 1000;
/// More sessions than this are not kept; the one that was used least recently goes.
const SESSIONS_MAX: usize = 1000;
/// How long a wrong password takes to be refused.
const REFUSAL: Duration = Duration::from_millis(300);

/// As clients write it, with and without what pads it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A user, and how it is known to be that.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub user: Arc<User>,
    /// The token that changes have to carry; `None` without a session.
    pub token: Option<String>,
}

/// A user who may change things, in a request that nobody else can have made.
#[derive(Debug)]
pub(super) struct Admin(pub Who);

#[derive(Debug)]
struct Login {
    user: Arc<User>,
    token: String,
    used_ms: u64,
}

/// Those who have logged in.
#[derive(Debug, Default)]
pub(super) struct Logins(parking_lot::Mutex<HashMap<String, Login>>);

impl Logins {
    /// Begins a session: the cookie's value, and the token.
    fn begin(&self, user: &Arc<User>, now_ms: u64) -> Result<(String, String), Failure> {
        let (id, token) = (random()?, random()?);
        let mut logins = self.0.lock();
        logins.retain(|_, login| login.used_ms + IDLE_MS > now_ms);
        if logins.len() >= SESSIONS_MAX {
            let oldest = logins.iter().min_by_key(|(_, login)| login.used_ms).map(|(id, _)| id.clone());
            oldest.map(|id| logins.remove(&id));
        }
        logins.insert(id.clone(), Login { user: Arc::clone(user), token: token.clone(), used_ms: now_ms });
        Ok((id, token))
    }

    fn find(&self, id: &str, now_ms: u64) -> Option<Who> {
        let mut logins = self.0.lock();
        let login = logins.get_mut(id).filter(|login| login.used_ms + IDLE_MS > now_ms)?;
        // A user who was deleted, or may no longer log in, is nobody here either.
        if login.user.is_gone() || !is_on(&login.user) {
            logins.remove(id);
            return None;
        }
        login.used_ms = now_ms;
        Some(Who { user: Arc::clone(&login.user), token: Some(login.token.clone()) })
    }

    fn end(&self, id: &str) {
        self.0.lock().remove(id);
    }
}

fn is_on(user: &User) -> bool {
    user.rules().flag_words().contains(&"on")
}

fn random() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| Failure::unavailable("the system gives no random numbers"))?;
    Ok(hex(&bytes))
}

impl Console {
    /// Begins a session where the password is right: the cookie to set, and who it is.
    pub(super) async fn log_in(&self, name: &str, password: &str) -> Result<(String, Who), Failure> {
        let Some(user) = self.engine.acl().authenticate(name.as_bytes(), password.as_bytes()) else {
            tokio::time::sleep(REFUSAL).await;
            return Err(Failure::unauthorized("wrong name or password"));
        };
        let (id, token) = self.logins.begin(&user, self.engine.clock().now_ms())?;
        let cookie = format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}", IDLE_MS / 1000);
        Ok((cookie, Who { user, token: Some(token) }))
    }

    /// Ends the session of a request: the cookie that takes the old one away.
    pub(super) fn log_out(&self, headers: &HeaderMap) -> String {
        if let Some(id) = cookie(headers) {
            self.logins.end(id);
        }
        format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
    }

    /// Whether a user may run a command.
    pub(super) fn may(&self, user: &User, argv: &[&[u8]]) -> bool {
        user.is_unrestricted() || TABLE.look_up(argv).is_some_and(|entry| user.check(entry, argv).is_ok())
    }

    /// Whether a user may change how the server is set up, which is what makes an administrator here.
    pub(super) fn is_admin(&self, user: &User) -> bool {
        self.may(user, &[b"CONFIG", b"SET", b"maxmemory", b"0"])
    }

    /// Who says nothing: the user `default`, where that needs no password and nothing is suspicious.
    fn anybody(&self, parts: &Parts) -> Result<Who, Failure> {
        let user = self.engine.acl().default_user();
        if !user.is_open() {
            return Err(Failure::unauthorized("log in first"));
        }
        // Mounted in a program of its own, whom it lets in is that program's business.
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        if self.engine.settings().protected_mode()
            && peer.is_some_and(|peer| !peer.to_canonical().is_loopback())
        {
            return Err(Failure::forbidden(
                "protected",
                "there is no password, and you are on another machine: set one ('requirepass', ACL), or \
                 'protected-mode no'",
            ));
        }
        if !self.may_be_called(parts) {
            return Err(Failure::forbidden(
                "host",
                "without a password this server is reached by its address, as localhost, or by a name in 'admin-hosts'",
            ));
        }
        Ok(Who { user: Arc::clone(user), token: None })
    }

    fn may_be_called(&self, parts: &Parts) -> bool {
        let host = host(&parts.headers).or_else(|| parts.uri.host()).unwrap_or_default();
        let name = without_port(host);
        let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        let hosts = self.engine.settings().admin_hosts();
        is_address
            || name.is_empty()
            || name.eq_ignore_ascii_case("localhost")
            || name.to_ascii_lowercase().ends_with(".localhost")
            || hosts.split_whitespace().any(|other| other.eq_ignore_ascii_case(name))
    }
}

impl FromRequestParts<Arc<Console>> for Who {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Failure> {
        if let Some(given) = parts.headers.get(header::AUTHORIZATION) {
            let pair = given.to_str().ok().and_then(basic);
            let user = pair.and_then(|(name, password)| console.engine.acl().authenticate(&name, &password));
            let Some(user) = user else {
                tokio::time::sleep(REFUSAL).await;
                return Err(Failure::unauthorized("wrong name or password").asking(&parts.headers));
            };
            return Ok(Who { user, token: None });
        }
        let now_ms = console.engine.clock().now_ms();
        if let Some(who) = cookie(&parts.headers).and_then(|id| console.logins.find(id, now_ms)) {
            return Ok(who);
        }
        console.anybody(parts).map_err(|failure| failure.asking(&parts.headers))
    }
}

impl FromRequestParts<Arc<Console>> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Failure> {
        let who = Who::from_request_parts(parts, console).await?;
        if !is_own(&parts.headers) {
            return Err(Failure::forbidden("foreign", "another site's page may not change anything here"));
        }
        let token = parts.headers.get(TOKEN).map(|token| token.as_bytes());
        if who.token.as_ref().is_some_and(|own| token != Some(own.as_bytes())) {
            return Err(Failure::forbidden("token", "the session's token is missing or wrong"));
        }
        if console.is_read_only() {
            return Err(Failure::forbidden("read_only", "this console is for reading only"));
        }
        if !console.is_admin(&who.user) {
            return Err(Failure::forbidden("admin", "this takes a user who may CONFIG SET"));
        }
        Ok(Admin(who))
    }
}

/// Whether a request was made by our own page, or by no page at all.
pub(super) fn is_own(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.is_some() && origin == host(headers)
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST).and_then(|host| host.to_str().ok())
}

/// The name or address in `name:port`, `[::1]:port`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let texts = headers.get_all(header::COOKIE).into_iter().filter_map(|text| text.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, id)| id)
}

/// Name and password of `Basic bmFtZTpwYXNzd29yZA==`.
fn basic(given: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, encoded) = given.split_once(' ')?;
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(encoded.trim()).ok())??;
    let colon = pair.iter().position(|&byte| byte == b':')?;
    Some((pair.get(..colon)?.to_vec(), pair.get(colon + 1..)?.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_are_read_as_browsers_write_them() {
        let pair = |name: &str, password: &str| Some((name.into(), password.into()));
        assert_eq!(basic("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), pair("Aladdin", "open sesame"));
        assert_eq!(basic("basic YTpiOmM="), pair("a", "b:c"));
        for wrong in ["Basic", "Basic ???", "Basic YQ==", "Bearer YTpi", "Basic A"] {
            assert_eq!(basic(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_host_is_known_with_and_without_its_port() {
        for (host, name) in [
            ("a:80", "a"),
            ("a", "a"),
            ("[::1]:80", "[::1]"),
            ("127.0.0.1:6380", "127.0.0.1"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(without_port(host), name);
        }
    }

    #[test]
    fn a_foreign_page_is_told_from_our_own() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, axum::http::HeaderValue::from_static(value));
            }
            headers
        };
        assert!(is_own(&headers(&[("host", "a:1")])));
        assert!(is_own(&headers(&[("host", "a:1"), ("origin", "https://a:1")])));
        assert!(is_own(&headers(&[("sec-fetch-site", "same-origin"), ("origin", "http://b")])));
        assert!(!is_own(&headers(&[("host", "a:1"), ("origin", "http://a:2")])));
        assert!(!is_own(&headers(&[("host", "a:1"), ("origin", "null")])));
        assert!(!is_own(&headers(&[("sec-fetch-site", "same-site"), ("host", "a")])));
    }
}
