//! The gateway's npm routes, below `/SECRET/npm/`.

use std::sync::Arc;

use hyper::{Response, StatusCode};

use super::answer::{self, Body};
use super::{Asked, Shared};

/// Answers a request below the route.
pub(super) async fn answer(_shared: &Arc<Shared>, _asked: Asked) -> Response<Body> {
    answer::status(StatusCode::NOT_FOUND, "tidewaiter: npm is not served yet")
}

/// Begins to fetch the plan's artifacts.
pub(super) fn fetch_ahead(shared: &Arc<Shared>) {
    for release in shared.closed.releases() {
        for planned in release.iter().take(1) {
            shared.artifacts.ahead(planned);
        }
    }
}
