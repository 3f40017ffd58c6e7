"""Errors of the API: a status, MLflow's error code, one line."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass
class ApiError(Exception):
    """A request failed; the exception describes the response.

    Attributes:
        status: The HTTP status.
        code: As MLflow's ``error_code``.
        message: What was wrong and what was expected, without values of the request.
        retry_after: Seconds for the ``Retry-After`` header, or None for no header.
        plain: Whether the body is plain text, as MLflow's is for content types that it does not know.
        challenge: The ``WWW-Authenticate`` header, or None for no header.
        accepts: The ``Accept-Encoding`` header, or None for no header.
    """

    status: int
    code: str
    message: str
    retry_after: int | None = None
    plain: bool = False
    challenge: str | None = None
    accepts: str | None = None

    def __str__(self) -> str:
        return self.message

    @property
    def body(self) -> str:
        """The response's body."""
        if self.plain:
            return self.message
        return json.dumps({"error_code": self.code, "message": self.message})

    def body_for(self, path: str) -> str:
        """Return the response's body in the form of the protocol that the path belongs to."""
        if path == "/v2" or path.startswith("/v2/"):  # the Open Inference Protocol's form
            return json.dumps({"error": self.message})
        return self.body

    @property
    def headers(self) -> dict[str, str]:
        """The response's headers beyond the usual ones."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        further = {"WWW-Authenticate": self.challenge, "Accept-Encoding": self.accepts}
        return headers | {name: value for name, value in further.items() if value is not None}


def bad_request(message: str) -> ApiError:
    """Return the error for a malformed request (400, ``BAD_REQUEST``)."""
    return ApiError(400, "BAD_REQUEST", message)


def invalid_value(message: str) -> ApiError:
    """Return the error for data that does not fit the model (400, ``INVALID_PARAMETER_VALUE``)."""
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


def too_large(message: str) -> ApiError:
    """Return the error for a request that exceeds a limit (413)."""
    return ApiError(413, "REQUEST_LIMIT_EXCEEDED", message)


def unavailable(message: str, retry_after: int) -> ApiError:
    """Return the error for a temporary failure (503 with ``Retry-After``)."""
    return ApiError(503, "TEMPORARILY_UNAVAILABLE", message, retry_after=retry_after)


def unauthorized(given: bool) -> ApiError:
    """Return the error for a missing (not ``given``) or invalid API key (401, challenge of RFC 6750)."""
    message = "the API key is not valid" if given else "an API key is required"
    hint = "send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`"
    challenge = 'Bearer realm="mlpipes"' + (', error="invalid_token"' if given else "")
    return ApiError(401, "UNAUTHENTICATED", message if given else f"{message}; {hint}", challenge=challenge)


def bug() -> ApiError:
    """Return the error for a bug in the API (500); the log has the details."""
    return ApiError(500, "INTERNAL_ERROR", "internal error in the API")
