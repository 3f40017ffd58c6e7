"""MLflow's own client, with its output silenced and its errors translated into one line.

MLflow reads its settings from the environment when it sends a request, so they apply to this whole
process; they are set again before each use, since adapters differ in how long they wait.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import urllib.error
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.mlflow import rest
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",  # artifacts go through the server, whatever its store
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_RETRIES = {"MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1", "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0"}
# The first retry comes at once, the second after 2 seconds, the next after 4, 8, 16.
BRIEFLY = _RETRIES | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
PATIENTLY = _RETRIES | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "5", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
_BEFORE: dict[str, str | None] = {}  # what the variables of logins were before a connection set them
_MISSING = "RESOURCE_DOES_NOT_EXIST"
_TIMEOUT = 20.0
_LONGEST = 300  # characters of a server's message that are kept


class MlflowApiError(MlpipesError):
    """The server, or MLflow's client in its place, refused a request.

    Attributes:
        code: MLflow's error code, such as RESOURCE_DOES_NOT_EXIST.
    """

    def __init__(self, code: str, message: str, what: str) -> None:
        super().__init__(f"MLflow refused {what}: {message} ({code})")
        self.code = code

    @property
    def missing(self) -> bool:
        """Whether the requested object does not exist."""
        return self.code == _MISSING


class Connection:
    """A connection to a tracking server; threads may share it.

    Args:
        uri: Its ``http(s)://`` address.
        waiting: MLflow's settings for timeouts and retries: ``BRIEFLY`` or ``PATIENTLY``.
        login: MLflow's settings for the login, if the server requires one.
    """

    def __init__(
        self, uri: str, waiting: Mapping[str, str] = BRIEFLY, login: Mapping[str, str] | None = None
    ) -> None:
        self.uri = uri.rstrip("/")
        self._waiting = waiting
        self._login = dict(login or {})
        self._client: MlflowClient | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def asked(self, what: str, waiting: Mapping[str, str] | None = None) -> Iterator[MlflowClient]:
        """Yield the client and translate its errors; its first use imports MLflow, which takes seconds.

        Args:
            what: What is requested, for messages.
            waiting: Replaces the connection's own settings.

        Raises:
            MlflowApiError: The server refused.
            MlpipesError: It does not answer.
        """
        settings = _QUIET | dict(waiting or self._waiting) | self._login | {"MLFLOW_TRACKING_URI": self.uri}
        _take_back_logins(keep=self._login)
        for name, value in settings.items():
            if os.environ.get(name) != value:  # threads with the same settings write nothing
                if name in self._login:
                    _BEFORE.setdefault(name, os.environ.get(name))
                os.environ[name] = value
        from mlflow.exceptions import MlflowException
        from requests import RequestException

        try:
            yield self._made()
        except (MlflowException, RequestException) as error:
            raise _told(error, what, self.uri) from error

    def reach(self) -> None:
        """Make sure, without MLflow's client, that the server answers.

        Raises:
            MlpipesError: It does not.
        """
        try:
            rest.opener(self.uri, self._login).open(f"{self.uri}/health", timeout=_TIMEOUT).close()
        except urllib.error.HTTPError:
            pass  # a server is there; how it answers a query is another question
        except rest.FAULTS as error:
            raise _absent(self.uri, rest.cause(error)) from None

    def _made(self) -> MlflowClient:
        with self._lock:
            if self._client is None:
                self._client = _connect(self.uri)
            return self._client


def _take_back_logins(keep: Collection[str]) -> None:
    """Put the variables of other connections' logins back: a server never gets another server's password."""
    for name in set(_BEFORE).difference(keep):
        value = _BEFORE.pop(name, None)
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def every(search: Callable[..., Any], **query: Any) -> Iterator[Any]:
    """Yield all items of all pages of one of the client's searches."""
    token = None
    while True:
        page = search(**query, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _connect(uri: str) -> MlflowClient:
    from mlflow import MlflowClient

    for name in ("mlflow", "urllib3"):  # each retry would be logged
        logging.getLogger(name).setLevel(logging.ERROR)
    _settle_where_we_are()
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _settle_where_we_are() -> None:
    """Find out once whether this is Databricks: MLflow checks before each request, by 5 failing imports."""
    try:
        from mlflow.tracking.request_header import databricks_request_header_provider as headers
    except ImportError:  # another version of MLflow, which checks in another way
        return
    found = headers.DatabricksRequestHeaderProvider().in_context()
    headers.DatabricksRequestHeaderProvider.in_context = lambda _: found


def _told(error: Exception, what: str, uri: str) -> MlpipesError:
    from mlflow.exceptions import MlflowException
    from requests.exceptions import HTTPError, RequestException, RetryError

    cause = error if isinstance(error, RequestException) else error.__cause__ or error.__context__
    if isinstance(cause, HTTPError) and cause.response is not None:
        return MlflowApiError(f"HTTP {cause.response.status_code}", _line(cause.response.reason), what)
    if isinstance(cause, RetryError):
        return MlpipesError(
            f"MLflow at {uri} keeps failing on {what}",
            "`mlpipes status` shows whether its database and object store are running; see also "
            "`mlpipes logs mlflow`",
        )
    if isinstance(cause, RequestException):
        return _absent(uri, cause)
    code = error.error_code if isinstance(error, MlflowException) else ""
    if code == "UNAUTHENTICATED":
        return MlpipesError(
            f"MLflow at {uri} rejected our user name and password",
            "`mlpipes up` sets them from .env; a remote MLflow needs MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD",
        )
    return MlflowApiError(code, _line(str(error).removeprefix(f"{code}: ")), what)


def _absent(uri: str, cause: BaseException) -> MlpipesError:
    return MlpipesError(
        f"MLflow does not answer at {uri} ({_reason(cause)})",
        "start the stack with `mlpipes up`, or see `mlpipes status`",
    )


def _reason(error: BaseException) -> str:
    """Return the operating system's message about a connection."""
    if isinstance(error, TimeoutError) or type(error).__name__.endswith("Timeout"):  # requests has its own
        return "timed out"
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, OSError) and at.strerror:
            return at.strerror
        at = at.__cause__ or at.__context__
    return "the connection broke"


def _line(text: object) -> str:
    return " ".join(str(text).split())[:_LONGEST].rstrip(".")
