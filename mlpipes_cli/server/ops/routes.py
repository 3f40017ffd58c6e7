"""The API's paths as labels of metrics: a fixed set, whichever paths are requested."""

from __future__ import annotations

OTHER = "other"
_EXACT = frozenset(
    (
        "/",
        "/invocations",
        "/predict",
        "/feedback",
        "/predictions/recent",
        "/page/model",
        "/models/list",
        "/health",
        "/ping",
        "/ready",
        "/version",
        "/metrics",
        "/monitor",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/repository/index",
    )
)
_PAGE = "/page/{file}"
_PREDICTION = "/models/prediction/{name}/{alias}"
_V2 = "/v2/models/{name}"
_V2_VERB = {"infer": f"{_V2}/infer", "ready": f"{_V2}/ready", "stats": f"{_V2}/stats"}
ROUTES = _EXACT | {_PAGE, _PREDICTION, _V2, *_V2_VERB.values(), OTHER}
"""All that :func:`route_of` answers."""


def route_of(path: str) -> str:
    """Return the route that a path belongs to, one of :data:`ROUTES`."""
    if path in ROUTES:
        return path
    if path.startswith("/models/prediction/"):
        return _PREDICTION
    if path.startswith("/v2/models/"):
        return _V2_VERB.get(path.rsplit("/", 1)[-1], _V2)
    if path.startswith("/page/"):
        return _PAGE
    return OTHER
