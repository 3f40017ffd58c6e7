"""Admit or reject requests by their headers alone: host, origin, content type and coding.

Browsers send requests on behalf of any web page. They report the page, which cannot change this: in
``Origin`` (https://www.rfc-editor.org/rfc/rfc6454#section-7) and, to addresses that they trust, in
``Sec-Fetch-Site`` (https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header). A content type other than
those of a form makes them send a preflight request first (https://fetch.spec.whatwg.org/#http-cors-protocol).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mlpipes_cli.server.http.api_error import ApiError, bad_request
from mlpipes_cli.server.ops.allowed_hosts import AllowedHosts

# Paths for clients that use none of our host names; they reveal nothing of the data.
_ANY_NAME = frozenset(("/health", "/ping", "/ready", "/v2/health/live", "/v2/health/ready"))
_READING = frozenset(("GET", "HEAD", "OPTIONS"))
_JSON_ONLY = frozenset(("/predict", "/feedback"))
_OWN_CODINGS = "/v2/models/"  # its inference decompresses gzip and deflate, and has bytes after its JSON
_LENGTH = b"inference-header-content-length"
_NAMES = frozenset((b"host", b"origin", b"sec-fetch-site", b"content-type", b"content-encoding", _LENGTH))
_OURS = frozenset((b"same-origin", b"none"))
_PLAIN = frozenset((b"", b"identity"))
_JSON = b"application/json"
_FORM = b"application/x-www-form-urlencoded"
_STRANGE = (
    "requests from web pages of another origin are not allowed; "
    "add its origin in mlpipes.yaml: `serving: {cors: [...]}`"
)
_KNOWN = frozenset((_FORM, b"text/plain", b"multipart/form-data", b"text/csv", b"application/octet-stream"))
Headers = Collection[tuple[bytes, bytes]]


class Admission:
    """Decides whether a request is admitted.

    Args:
        hosts: Host names of the API, in addition to names that cannot be registered.
        origins: Allowed web pages, such as ``https://app.example.com``, or ``*`` for every page.
    """

    def __init__(self, hosts: Sequence[str], origins: Sequence[str]) -> None:
        self._hosts = AllowedHosts(hosts)
        self._pages = {origin.lower().encode("latin-1") for origin in origins}
        self._all_pages = b"*" in self._pages

    def refusal(self, method: str, path: str, version: str, headers: Headers) -> ApiError | None:
        """Return why the request is rejected, or None if it is admitted.

        400 without exactly one ``Host`` header (RFC 9112, section 3.2), 403 for a host name that is not
        allowed or a page that may not write, 415 for a content type or coding that the path does not accept.

        Args:
            method: The HTTP method.
            path: The decoded path.
            version: The HTTP version: ``1.0`` has no ``Host``.
            headers: As ASGI passes them: names in lower case.
        """
        given = dict(headers)
        if len(given) < len(headers):
            given = _joined(headers)
        host = given.get(b"host")
        if host is None or len(given) < len(headers):
            hosts = sum(name == b"host" for name, _ in headers)
            if hosts != 1 and (hosts or version != "1.0"):
                return bad_request(f"expected one Host header, got {hosts}")
        refused = None if host is None else self._hosts.refusal(host)
        if refused is not None and (refused.status == 400 or path not in _ANY_NAME):
            return refused
        if method in _READING:
            return None
        return self._strange(given, host) or (_misfit(path, given) if method == "POST" else None)

    def _strange(self, given: dict[bytes, bytes], host: bytes | None) -> ApiError | None:
        """Return why a web page may not write, or None."""
        origin, site = given.get(b"origin"), given.get(b"sec-fetch-site")
        if (origin is None and site is None) or self._all_pages or site in _OURS:
            return None
        if origin is not None:
            if site is None and host is not None and origin.partition(b"://")[2].lower() == host.lower():
                return None
            if origin.lower() in self._pages:
                return None
        return ApiError(403, "PERMISSION_DENIED", _STRANGE)


def _joined(headers: Headers) -> dict[bytes, bytes]:
    """Return the headers that are looked at; one that occurs twice matches nothing."""
    given: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _NAMES:
            given[name] = value if name not in given else given[name] + b", " + value
    return given


def _misfit(path: str, given: dict[bytes, bytes]) -> ApiError | None:
    """Return why the body is rejected, or None."""
    if given.get(b"content-type") == _JSON and b"content-encoding" not in given:
        return None  # every path accepts this
    inference = path.startswith(_OWN_CODINGS)
    coding = given.get(b"content-encoding", b"").strip().lower()
    if coding not in _PLAIN and not inference:
        message = "expected a body without Content-Encoding; send it uncompressed"
        return ApiError(415, "UNSUPPORTED_MEDIA_TYPE", message, accepts="identity")
    kind = given.get(b"content-type")
    if inference and (kind is None or _LENGTH in given):  # Triton's client sends no type
        return None
    if inference or path in _JSON_ONLY or path.startswith("/models/prediction/"):
        return _no_json(kind)
    return None


def _no_json(kind: bytes | None) -> ApiError | None:
    if kind == _JSON:
        return None
    sent = b"" if kind is None else kind.partition(b";")[0].strip().lower()
    if sent == _JSON:
        return None
    got = sent.decode("ascii") if sent in _KNOWN else "another one" if sent else "none"
    message = f"expected the header `Content-Type: application/json`, got {got}"
    if sent == _FORM:
        message += "; with curl: -H 'Content-Type: application/json'"
    return ApiError(415, "UNSUPPORTED_MEDIA_TYPE", message)
