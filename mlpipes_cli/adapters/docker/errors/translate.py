"""Translate the engine's errors and connection failures to one line."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from mlpipes_cli.errors import MlpipesError

_HINTS = (
    ("no space left on device", "free disk space (`docker system df` shows what Docker uses)"),
    (
        "volume is in use",
        "a container outside this stack uses it (`docker ps -a --filter volume=NAME` shows it): "
        "remove that container, then run the command again",
    ),
    ("non-overlapping", "remove unused networks with `docker network prune`"),
    ("permission denied", "run the command as a user with access to Docker"),
    ("No such image", "run `mlpipes up` again to pull the image"),
    ("rootfs is marked read-only", "remove `read_only` from that service in compose.yaml"),
)
_PORT_TAKEN = ("port is already allocated", "address already in use", "ports are not available")


@contextlib.contextmanager
def translate_errors(doing: str) -> Iterator[None]:
    """Turn the engine's errors into a one-line error that begins with the operation.

    Raises:
        MlpipesError: The engine refused, or did not answer.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except APIError as error:
        raise refused(doing, error) from None
    except (DockerException, RequestException, HTTPError, ConnectionError):
        raise MlpipesError(
            f"{doing}: the Docker engine stopped responding",
            "start Docker, then run the command again; no data is lost",
        ) from None


def refused(doing: str, error: Exception) -> MlpipesError:
    """Return the error for an operation that the engine refused."""
    message = message_of(error)
    hint = next((hint for part, hint in _HINTS if part.lower() in message.lower()), "see `mlpipes doctor`")
    return MlpipesError(f"{doing}: Docker engine error: {message}", hint)


def message_of(error: Exception) -> str:
    """Return the engine's message, without the request's URL."""
    text = getattr(error, "explanation", None) or str(error)
    return " ".join(str(text).split())


def is_missing(error: Exception) -> bool:
    """Return whether the requested object does not exist (any more)."""
    return getattr(error, "status_code", None) == 404


def port_in_use(error: Exception) -> int | None:
    """Return the host port that is in use (0 if the message does not name it); None for other errors."""
    message = message_of(error)
    if not any(part in message.lower() for part in _PORT_TAKEN):
        return None
    found = re.findall(r"[\]\d]:(\d{1,5})\b", message)
    return int(found[0]) if found else 0
