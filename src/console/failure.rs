//! What a request is refused with: `{"error": code, "message": text}` and a status.

use crate::command::error::CommandError;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refusal.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Whether to ask for basic authentication, as programs without a page of their own want it.
    asks: bool,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), asks: false }
    }

    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(super) fn forbidden(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// Asks for a password where no page of ours does.
    pub(super) fn asking(mut self, headers: &HeaderMap) -> Self {
        self.asks = self.status == StatusCode::UNAUTHORIZED && !headers.contains_key("sec-fetch-mode");
        self
    }
}

/// A command's refusal.
impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let text = error.to_string();
        let (status, code) = match text.split(' ').next().unwrap_or_default() {
            "NOPERM" => (StatusCode::FORBIDDEN, "forbidden"),
            "NOAUTH" | "WRONGPASS" => (StatusCode::UNAUTHORIZED, "unauthorized"),
            "WRONGTYPE" => (StatusCode::CONFLICT, "wrong_type"),
            "OOM" | "MISCONF" | "LOADING" | "BUSY" => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            _ => (StatusCode::BAD_REQUEST, "refused"),
        };
        Self::new(status, code, text)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.code, "message": self.message }));
        let mut response = (self.status, body).into_response();
        if self.asks {
            let asks = HeaderValue::from_static("Basic realm=\"damselfly\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, asks);
        }
        response
    }
}
