"""ASGI application that answers predictions itself and passes other requests to FastAPI.

Routing, validation and response objects of a framework cost more than the prediction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mlpipes_cli.server.http import answers
from mlpipes_cli.server.http.api_error import ApiError, bug
from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.ops import context
from mlpipes_cli.server.ops.admission import Admission
from mlpipes_cli.server.ops.context import RequestContext
from mlpipes_cli.server.ops.cors import Cors
from mlpipes_cli.server.ops.keys import KeyGuard
from mlpipes_cli.server.ops.logs import AccessLog
from mlpipes_cli.server.predictions.service import PredictionService
from mlpipes_cli.server.predictions.stored_rows import StoredAnswer
from mlpipes_cli.server.requests.body_reader import Receive, read_body
from mlpipes_cli.server.requests.request_decoder import DecodedRows, RequestDecoder

logger = logging.getLogger("mlpipes.server")
Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_JSON = (b"content-type", b"application/json")
_GONE = 499  # for the log: the client disconnected before the answer


class PredictionRoutes:
    """``/invocations`` and ``/predict`` without a framework.

    Args:
        service: The prediction service.
    """

    def __init__(self, service: PredictionService) -> None:
        self._service = service

    async def invocations(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer MLflow's scoring protocol; return the status."""
        answered = await self._answer(scope, receive, RequestDecoder.invocations, _read_invocations)
        if isinstance(answered, ApiError):
            return await _refuse(send, answered)
        answer, wrapped, mirror = answered
        try:
            body = answers.as_mlflow(answer, wrapped)
        except Exception:
            logger.exception("a response cannot be serialized")
            return await _refuse(send, bug())
        await _send(send, 200, body, _named(answer))
        mirror()
        return 200

    async def predict(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer a record, a list of records or an object of lists; return the status."""
        answered = await self._answer(scope, receive, RequestDecoder.predict, _read_records)
        if isinstance(answered, ApiError):
            return await _refuse(send, answered)
        answer, _, mirror = answered
        await _send(send, 200, answers.as_ours(answer), _named(answer))
        mirror()
        return 200

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        lane: Callable[[RequestDecoder, bytes], DecodedRows | None],
        read: Callable[[bytes, str | None, ServedModel, int], Any],
    ) -> tuple[StoredAnswer, bool, Callable[[], None]] | ApiError:
        service, began = self._service, time.perf_counter()
        try:
            service.admit()
            kind = length = None
            for name, value in scope["headers"]:
                if name == b"content-type":
                    kind = value.decode("latin-1")
                elif name == b"content-length":
                    length = value.decode("latin-1")
            body = await read_body(receive, length, service.settings.max_bytes)
            answer, wrapped = await service.ask(body, kind, service.model, began, lane, read)
        except ApiError as error:
            return error
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            return bug()
        return answer, wrapped, lambda: service.mirror(body, kind, lane, read, answer)


class AsgiApp:
    """Handles every request: admission, identifiers and traces, keys, predictions; FastAPI answers the rest.

    Args:
        service: The prediction service.
        app: Answers all other requests.
        guard: Checks the API key.
    """

    def __init__(self, service: PredictionService, app: App, guard: KeyGuard) -> None:
        self.service, self._app, self._guard = service, app, guard
        self._entrance = Admission(service.settings.allowed_hosts, service.settings.cors)
        self._cors, self._log = Cors(service.settings.cors), AccessLog(service.settings.access_log)
        predictions = PredictionRoutes(service)
        self._hot = {"/invocations": predictions.invocations, "/predict": predictions.predict}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        path, method, given = scope["path"], scope["method"], scope["headers"]
        asked = RequestContext.read(given)
        token = context.current.set(asked)
        status = 0
        headers = asked.response_headers()
        bodiless = method == "HEAD"
        if bodiless:  # answered as GET, without the body (RFC 9110, section 9.3.2)
            scope = {**scope, "method": "GET"}

        async def reply(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                nonlocal status
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *headers]
            elif bodiless:
                message = {**message, "body": b""}
            await send(message)

        hot = self._hot.get(path) if method == "POST" else None
        preflight = self._cors.is_preflight(method, given)
        refusal = self._entrance.refusal(method, path, scope.get("http_version", "1.1"), given)
        if not preflight and (refusal is None or refusal.status == 415):  # first the key, then the type
            refusal = self._guard.refusal(path, given) or refusal
        if hot is not None or refusal is not None:
            headers += self._cors.headers(given)  # else FastAPI's middleware adds them
        try:
            if refusal is not None:
                await _refuse(reply, refusal, path)
            elif hot is not None:
                await hot(scope, receive, reply)
            else:
                await self._app(scope, receive, reply)
        except BaseException:
            status = status or 500
            raise
        finally:
            context.current.reset(token)
            seconds, status = time.perf_counter() - began, status or _GONE
            self.service.meter.request(path, status, seconds)
            self._log.record(asked, method, path, status, seconds, asked.rows, asked.version)


def _named(answer: StoredAnswer) -> list[tuple[bytes, bytes]]:
    """Return headers with the version that answered, and with the prediction's id if there is one row."""
    model = answer.model
    headers = [(b"x-model-version", b"%d" % model.version), (b"x-model-alias", model.alias.encode())]
    if len(answer.prediction_ids) == 1:
        headers.append((b"x-prediction-id", answer.prediction_ids[0].encode()))
    return headers


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [_JSON, length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def _refuse(send: Send, error: ApiError, path: str = "") -> int:
    body = error.body_for(path).encode()
    kind = b"text/plain" if error.plain else b"application/json"
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    return error.status


def _read_invocations(*given: Any) -> Any:
    from mlpipes_cli.server.requests import request_parser

    return request_parser.read_invocations(*given)


def _read_records(*given: Any) -> Any:
    from mlpipes_cli.server.requests import request_parser

    return request_parser.read_records(*given)
