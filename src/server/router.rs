//! Every route and every layer, in order.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    routing::{any, get, head, post},
};
use http::{HeaderName, Method, Uri, header, request::Parts};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::{
    auth,
    error::ApiError,
    gate::GateLayer,
    request_log::{Books, RecordLayer},
    routes::{count_tokens, health, messages, metrics, models, root},
    state::Shared,
};
use crate::protocol::anthropic::error::Error;

/// Every route and every layer, for programs and for web pages.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    programs: Router,
    /// Those of allowed origins may read the answers.
    pages: Router,
}

impl Routes {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let routes = routes();
        let mut pages = routes.clone();
        if shared.config.server.cors.enabled {
            pages = pages.layer(cors(Arc::clone(shared)));
        }
        Self { programs: guarded(routes, shared), pages: guarded(pages, shared) }
    }

    /// Those for this request.
    pub(crate) fn of(&self, request: &Request<impl Sized>) -> Router {
        let is_of_page = request.headers().contains_key(header::ORIGIN);
        if is_of_page { &self.pages } else { &self.programs }.clone()
    }
}

/// Every route. What only those with a key may ask for takes an [`auth::Caller`], which nobody else gets.
fn routes() -> Router<Arc<Shared>> {
    let with_key = Router::new()
        .route("/v1/messages", post(messages::create))
        .route("/v1/messages/count_tokens", post(count_tokens::count))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::retrieve))
        .route("/metrics", get(metrics::with_key));
    let without_key = Router::new()
        .route("/", get(root::index))
        .route("/v1/messages", head(root::nothing))
        .route("/health", get(health::health))
        .route("/health/ready", get(health::ready))
        .route("/health/live", get(health::live))
        .route("/api/event_logging/batch", post(root::swallow));
    with_key
        .merge(without_key)
        .merge(not_served())
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
}

/// The routes behind what holds for all of them, in one layer: axum boxes each for every request.
fn guarded(routes: Router<Arc<Shared>>, shared: &Arc<Shared>) -> Router {
    #[cfg(debug_assertions)]
    let routes = routes.layer(axum::middleware::from_fn(super::fail_point::layer));
    let books = Books { metrics: Arc::clone(&shared.metrics), sums: Arc::clone(&shared.sums) };
    routes.layer((RecordLayer(books), GateLayer(Arc::clone(shared)))).with_state(Arc::clone(shared))
}

/// Endpoints of Anthropic's that a gateway to chat completions has no answer for. A 501 would be retried.
fn not_served() -> Router<Arc<Shared>> {
    let paths = [
        "/v1/messages/batches",
        "/v1/messages/batches/{*rest}",
        "/v1/files",
        "/v1/files/{*rest}",
        "/v1/skills",
        "/v1/skills/{*rest}",
        "/v1/complete",
    ];
    paths.into_iter().fold(Router::new(), |router, path| router.route(path, any(refuse_served_elsewhere)))
}

async fn refuse_served_elsewhere(uri: Uri) -> ApiError {
    ApiError::not_found(format!("{} is not served by this gateway", uri.path()))
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::not_found(format!("no such path: {}; POST /v1/messages is served here", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> ApiError {
    Error::invalid_request(format!("method {method} is not allowed for {}", uri.path()))
        .with_status(405)
        .into()
}

/// Web pages of allowed origins may read answers. Others never get this far.
fn cors(shared: Arc<Shared>) -> CorsLayer {
    let readable = [
        "request-id",
        "retry-after",
        "x-should-retry",
        "x-aiapiproxy-warning",
        "x-upstream-request-id",
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ];
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _: &Parts| {
            auth::origin_allowed(&shared.config.server, origin)
        }))
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(readable.map(HeaderName::from_static))
        .max_age(std::time::Duration::from_secs(600))
}

/// Repairs paths before they are routed: `//v1/messages`, and `/v1/v1/messages` of a base URL that ends in
/// `/v1`.
pub(crate) fn normalise(request: &mut Request<impl Sized>) {
    let path = request.uri().path();
    let collapsed = path.trim_start_matches('/');
    let clean = match collapsed.strip_prefix("v1/v1/") {
        Some(rest) => format!("/v1/{rest}"),
        None if path.starts_with("//") => format!("/{collapsed}"),
        None => return,
    };
    let with_query = match request.uri().query() {
        Some(query) => format!("{clean}?{query}"),
        None => clean,
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = with_query.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt as _;

    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn a_panic_is_answered_and_touches_nobody_else() {
        async fn panic() -> &'static str {
            panic!("a bug")
        }
        let routes = Router::<()>::new().route("/panic", get(panic)).route("/", get(async || "fine"));
        let metrics = Arc::new(Metrics::default());
        let router = routes.layer(RecordLayer(Books { metrics: Arc::clone(&metrics), ..Books::default() }));
        let ask = async |path: &str| {
            let request = Request::builder().uri(path).body(axum::body::Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap()
        };
        let answer = ask("/panic").await;
        assert_eq!(answer.status(), 500);
        assert!(answer.headers().contains_key("request-id"));
        let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("api_error") && !body.contains("a bug"), "{body}");
        assert_eq!(ask("/").await.status(), 200);
        assert_eq!([metrics.panics.get(), metrics.requests.panicked.get()], [1, 1]);
    }

    fn check(path: &str, expected: &str) {
        let mut request = Request::builder().uri(path).body(()).unwrap();
        normalise(&mut request);
        assert_eq!(request.uri().to_string(), expected);
    }

    #[test]
    fn paths_of_a_wrong_base_url_are_repaired() {
        check("/v1/messages?beta=true", "/v1/messages?beta=true");
        check("//v1/messages", "/v1/messages");
        check("/v1/v1/messages?beta=true", "/v1/messages?beta=true");
        check("///v1/v1/models/a%2Fb", "/v1/models/a%2Fb");
        check("http://h:1/v1/v1/models", "http://h:1/v1/models");
        check("/", "/");
        check("/v1/v1x", "/v1/v1x");
    }
}
