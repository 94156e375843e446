//! The console: what an engine holds and how it fares, for people and for their tools, over HTTP.
//!
//! | path | what |
//! | --- | --- |
//! | `/` | the page, which needs nothing from elsewhere |
//! | `/api/…` | what the page shows and does, as JSON; `/api/live` is a stream of events |
//! | `/dragonfly/…` | health, figures and clearing in the form that existing clients expect |
//! | `/metrics` | figures in Prometheus' text form, under the names of `redis_exporter` |
//! | `/healthz`, `/readyz` | for whoever restarts the process, and whoever sends it clients |
//!
//! A program that embeds the engine mounts [`router`]; the server has it behind `admin-port`. It is a guest of the engine:
//! what somebody asks for is run as commands under that user's rules.
//!
//! **Invariant:** nothing here holds a shard while it waits, and nothing walks over all keys in a request: names and counts
//! come from a census that goes on in the background, in small steps, while somebody looks (`census.rs`).
//!
//! ```
//! use damselfly::{Damselfly, console};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let db = Damselfly::in_memory();
//! let app = axum::Router::new().nest("/cache", console::router(&db, console::Options::default()));
//! # let _ = app;
//! # });
//! ```

mod ask;
mod auth;
mod census;
mod failure;
mod figures;
mod keys;
mod metrics;
mod pages;
mod panels;
mod rest;
mod serve;

pub use census::{Keeping, Known};
pub use serve::{Serving, listen, serve};

use crate::embed::Damselfly;
use crate::engine::Engine;
use auth::Logins;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Request, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use census::Census;
use figures::History;
use std::sync::Arc;

/// The largest body that anything here takes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How a console is to be.
#[derive(Clone, Debug, Default)]
pub struct Options {
    read_only: bool,
    known: Vec<Known>,
    #[cfg(feature = "domain")]
    metrics: Option<crate::domain::Metrics>,
}

impl Options {
    /// Lets nobody change anything.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Says which namespaces there are and what may become of them. Without a word, those of the music application are
    /// known; what is not known is kept unless somebody insists.
    #[must_use]
    pub fn namespaces(mut self, known: impl IntoIterator<Item = Known>) -> Self {
        self.known = known.into_iter().collect();
        self
    }

    /// Shows a domain layer's figures: hit rates by namespace, and the dashboard.
    #[cfg(feature = "domain")]
    #[must_use]
    pub fn metrics(mut self, metrics: crate::domain::Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }
}

/// What all requests share.
#[derive(Debug)]
struct Console {
    engine: Arc<Engine>,
    /// With every right, for figures.
    db: Damselfly,
    options: Options,
    logins: Logins,
    history: History,
    census: Census,
}

impl Console {
    fn is_read_only(&self) -> bool {
        self.options.read_only || self.engine.settings().admin_read_only()
    }
}

/// The console's routes over this handle's engine, to be mounted anywhere in a program's own. Users are the engine's:
/// while `default` needs no password, whoever reaches the routes is it.
///
/// # Panics
/// Outside of a tokio runtime, which the samples of its plots are taken in.
pub fn router(db: &Damselfly, options: Options) -> Router {
    let known = if options.known.is_empty() { census::music() } else { options.known.clone() };
    let console = Arc::new(Console {
        engine: Arc::clone(db.engine()),
        db: db.clone(),
        options,
        logins: Logins::default(),
        history: History::default(),
        census: Census::new(known),
    });
    figures::sample(&console);
    routes().with_state(console)
}

fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/", get(pages::page))
        .route("/console.css", get(pages::style))
        .route("/console.js", get(pages::program))
        .route("/api/session", get(pages::session))
        .route("/api/login", post(pages::log_in))
        .route("/api/logout", post(pages::log_out))
        .route("/api/overview", get(figures::overview))
        .route("/api/history", get(figures::history))
        .route("/api/live", get(figures::live))
        .route("/api/commands", get(panels::commands))
        .route("/api/slowlog", get(panels::slowlog).delete(panels::clear_slowlog))
        .route("/api/clients", get(panels::clients))
        .route("/api/clients/kill", post(panels::kill_client))
        .route("/api/save", post(panels::save))
        .route("/api/namespaces", get(panels::namespaces))
        .route("/api/queues", get(panels::queues))
        .route("/api/sessions", get(panels::sessions))
        .route("/api/keys", get(keys::list))
        .route("/api/key", get(keys::view).delete(keys::delete))
        .route("/api/key/expiry", post(keys::expire))
        .route("/api/key/text", post(keys::write))
        .route("/dragonfly/health", get(rest::health))
        .route("/dragonfly/stats", get(rest::stats))
        .route("/dragonfly/services", get(rest::services))
        .route("/dragonfly/keys", get(rest::keys))
        .route("/dragonfly/clear/{namespace}", post(rest::clear))
        .route("/dragonfly/clear-all", post(rest::clear_all))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(rest::healthz))
        .route("/readyz", get(rest::readyz))
        .fallback(pages::nothing)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(guarded))
}

/// Says of every answer that it is no business of other sites', and nothing to be kept.
async fn guarded(request: Request<axum::body::Body>, next: Next) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                          connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'";
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
