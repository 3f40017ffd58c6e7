"""Which requests are let in, by their headers alone: for whom they are, who sent them, what is in them.

Browsers send what any page asks them to. They say which page it was, and the page cannot change that:
``RecordOrigin`` (https://www.rfc-editor.org/rfc/rfc6454#section-7) and, to addresses that they trust,
``Sec-Fetch-Site`` (https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header). A content type other
than those of a form makes them ask before they send (https://fetch.spec.whatwg.org/#http-cors-protocol).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlpipes_cli.server.http.api_error import ApiError, bad_request
from mlpipes_cli.server.ops.allowed_hosts import AllowedHosts

# Asked by what knows no name of ours, and telling nothing of the data.
_ANY_NAME = frozenset(("/health", "/ping", "/ready", "/v2/health/live", "/v2/health/ready"))
_READING = frozenset(("GET", "HEAD", "OPTIONS"))
_JSON_ONLY = frozenset(("/predict", "/feedback"))
_OWN_CODINGS = "/v2/models/"  # its inference unpacks gzip and deflate, and has bytes beside its JSON
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
Headers = Iterable[tuple[bytes, bytes]]


class Admission:
    """Says whether a request is let in.

    Args:
        hosts: Names of the API beside those that are nobody's.
        origins: Pages that may ask, such as ``https://app.example.com``, or ``*`` for every page.
    """

    def __init__(self, hosts: Sequence[str], origins: Sequence[str]) -> None:
        self._hosts = AllowedHosts(hosts)
        self._pages = {origin.lower().encode("latin-1") for origin in origins}
        self._all_pages = b"*" in self._pages

    def refusal(self, method: str, path: str, version: str, headers: Headers) -> ApiError | None:
        """Why the request is not taken, or None where it is.

        400 without one ``Host`` header (RFC 9112, section 3.2), 403 for a name that is not ours or a page
        that may not write, 415 for a content type or coding that is not taken there.

        Args:
            method: The HTTP method.
            path: The decoded path.
            version: HTTP's: ``1.0`` knows no ``Host``.
            headers: As ASGI gives them: names in lower case.
        """
        given: dict[bytes, bytes] = {}
        hosts = 0
        for name, value in headers:
            if name in _NAMES:
                hosts += name == b"host"
                # one that stands twice fits nothing
                given[name] = value if name not in given else given[name] + b", " + value
        if hosts != 1 and (hosts or version != "1.0"):
            return bad_request(f"expected one Host header, got {hosts}")
        host = given.get(b"host")
        refused = None if host is None else self._hosts.refusal(host)
        if refused is not None and (refused.status == 400 or path not in _ANY_NAME):
            return refused
        if method in _READING:
            return None
        return self._strange(given, host) or (_misfit(path, given) if method == "POST" else None)

    def _strange(self, given: dict[bytes, bytes], host: bytes | None) -> ApiError | None:
        """Why a page may not write."""
        origin, site = given.get(b"origin"), given.get(b"sec-fetch-site")
        if (origin is None and site is None) or self._all_pages or site in _OURS:
            return None
        if origin is not None:
            if site is None and host is not None and origin.partition(b"://")[2].lower() == host.lower():
                return None
            if origin.lower() in self._pages:
                return None
        return ApiError(403, "PERMISSION_DENIED", _STRANGE)


def _misfit(path: str, given: dict[bytes, bytes]) -> ApiError | None:
    """Why the body is not taken."""
    inference = path.startswith(_OWN_CODINGS)
    coding = given.get(b"content-encoding", b"").strip().lower()
    if coding not in _PLAIN and not inference:
        told = "expected a body without Content-Encoding; send it uncompressed"
        return ApiError(415, "UNSUPPORTED_MEDIA_TYPE", told, accepts="identity")
    kind = given.get(b"content-type")
    if inference and (kind is None or _LENGTH in given):  # Triton's client names no type
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
    told = f"expected the header `Content-Type: application/json`, got {got}"
    if sent == _FORM:
        told += "; with curl: -H 'Content-Type: application/json'"
    return ApiError(415, "UNSUPPORTED_MEDIA_TYPE", told)
