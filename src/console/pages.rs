//! The page and its parts, which are inside the program, and who is looking at it.

use super::Console;
use super::auth::{Who, is_own};
use super::failure::Failure;
use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

const PAGE: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/console.css");
const PROGRAM: &str = include_str!("page/console.js");

/// The page. What it asks for lies beside it, wherever a program has mounted it.
pub(super) async fn page(OriginalUri(uri): OriginalUri) -> Html<String> {
    let fits = |letter: u8| letter.is_ascii_alphanumeric() || b"/_-.~".contains(&letter);
    let base = uri.path().trim_end_matches('/');
    let base = if base.bytes().all(fits) && !base.starts_with("//") { base } else { "" };
    Html(PAGE.replacen("{base}", &format!("{base}/"), 1))
}

pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], STYLE)
        .into_response()
}

pub(super) async fn program() -> Response {
    let kind = (header::CONTENT_TYPE, "text/javascript; charset=utf-8");
    ([kind, (header::CACHE_CONTROL, "no-cache")], PROGRAM).into_response()
}

pub(super) async fn nothing() -> Failure {
    Failure::not_found("there is nothing here")
}

impl Console {
    fn describe(&self, who: &Who) -> Value {
        json!({
            "user": String::from_utf8_lossy(who.user.name()),
            "admin": self.is_admin(&who.user),
            "read_only": self.is_read_only(),
            "session": who.token.is_some(),
            "token": who.token,
            "version": env!("CARGO_PKG_VERSION"),
        })
    }
}

/// Who is looking, and what that one may do.
pub(super) async fn session(State(console): State<Arc<Console>>, who: Who) -> Json<Value> {
    Json(console.describe(&who))
}

#[derive(Deserialize)]
pub(super) struct Login {
    user: String,
    password: String,
}

pub(super) async fn log_in(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    Json(login): Json<Login>,
) -> Result<Response, Failure> {
    if !is_own(&headers) {
        return Err(Failure::forbidden("foreign", "another site's page may not log in here"));
    }
    let (cookie, who) = console.log_in(&login.user, &login.password).await?;
    Ok(([(header::SET_COOKIE, cookie)], Json(console.describe(&who))).into_response())
}

pub(super) async fn log_out(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if !is_own(&headers) {
        return Err(Failure::forbidden("foreign", "another site's page may not log out here"));
    }
    let cookie = console.log_out(&headers);
    Ok(([(header::SET_COOKIE, cookie)], Json(json!({ "session": false }))).into_response())
}
