"""Parse the body of ``POST /feedback`` item by item, and describe it for OpenAPI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mlpipes_cli.ports.ground_truth import Truth
from mlpipes_cli.server.http.api_error import bad_request, invalid_value, too_large
from mlpipes_cli.server.predictions import jsonb
from mlpipes_cli.server.requests import strict_json
from mlpipes_cli.server.requests.bounds import check_json
from mlpipes_cli.server.requests.ground_truth import LONGEST, Expected, TruthMismatch, caller_ids

_LONGEST_SOURCE = 200
_ITEM_KEYS = {"prediction_id", "id", "value"}
_WRAPPER_KEYS = {"feedback", "source", "version", "latest"}


@dataclass(frozen=True)
class Feedback:
    """A validated request.

    Attributes:
        truths: The reported truths, in the request's order.
        names: The identifiers as received, for the answer.
        source: Who reported them.
        version: Only predictions of this version match; None for all.
        latest: Whether only the newest prediction for an identifier of the caller matches.
    """

    truths: list[Truth]
    names: list[Any]
    source: str
    version: int | None
    latest: bool


def read(body: bytes, expected: Expected, limit: int) -> Feedback:
    """Parse and check a request.

    Raises:
        ApiError: The request is wrong; the message has the position of the item.
    """
    check_json(body)
    try:
        document = strict_json.parse(body, _no_number)
    except (ValueError, RecursionError):
        raise bad_request("the body is not valid JSON") from None
    wrapper = document if isinstance(document, dict) and "feedback" in document else {}
    if wrapper:
        if wrapper.keys() - _WRAPPER_KEYS:
            raise bad_request(
                f"besides `feedback`, only these keys are allowed: {_listed(_WRAPPER_KEYS - {'feedback'})}"
            )
        document = wrapper["feedback"]
    items = [document] if isinstance(document, dict) and not wrapper else document
    if not isinstance(items, list):
        raise bad_request("expected an item, a list of items, or an object with the list `feedback`")
    if len(items) > limit:
        raise too_large(
            f"{len(items)} items in one request; the limit is {limit}, split it into several requests"
        )
    if not items:
        raise bad_request("the request contains no items")
    read_items = [_item(position, item, expected) for position, item in enumerate(items)]
    return Feedback(
        [truth for truth, _ in read_items],
        [name for _, name in read_items],
        _source(wrapper.get("source")),
        _version(wrapper.get("version")),
        _latest(wrapper.get("latest", False)),
    )


def _item(position: int, item: Any, expected: Expected) -> tuple[Truth, Any]:
    where = f"item {position}"
    if not isinstance(item, dict):
        raise bad_request(f"{where}: expected an object with prediction_id or id, and value")
    if item.keys() - _ITEM_KEYS:
        raise bad_request(f"{where}: an item may only have prediction_id or id, and value")
    if ("prediction_id" in item) == ("id" in item):
        raise bad_request(f"{where}: expected either prediction_id or id")
    if "value" not in item:
        raise bad_request(f"{where}: value is missing; expected {expected.words}")
    try:
        value = jsonb.encode(expected.take(item["value"]))
    except TruthMismatch as misfit:
        raise invalid_value(f"{where}: value: {misfit}") from None
    if "prediction_id" in item:
        return Truth(value, _uuid(where, item["prediction_id"])), item["prediction_id"]
    try:
        return Truth(value, None, caller_ids(item["id"])), item["id"]
    except TruthMismatch as misfit:
        raise invalid_value(f"{where}: id: {misfit}") from None


def _uuid(where: str, text: Any) -> str:
    try:
        return str(UUID(text))
    except (ValueError, TypeError, AttributeError):
        message = "expected a UUID from a prediction response"
        raise invalid_value(f"{where}: prediction_id: {message}") from None


def _source(given: Any) -> str:
    if given is None:
        return "api"
    if not isinstance(given, str) or not 0 < len(given) <= _LONGEST_SOURCE:
        raise bad_request(f"source: expected a string of 1 to {_LONGEST_SOURCE} characters")
    return jsonb.text(given)


def _version(given: Any) -> int | None:
    if given is None:
        return None
    if isinstance(given, float) and given.is_integer():  # an integer in JSON, however it is written
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 < given < 2**31:
        raise bad_request("version: expected a version number of the model")
    return given


def _latest(given: Any) -> bool:
    if not isinstance(given, bool):
        raise bad_request("latest: expected true or false")
    return given


def _no_number(_: str) -> Any:
    raise ValueError("NaN and Infinity are not valid JSON")


def _listed(words: set[str]) -> str:
    return ", ".join(sorted(words))


def schema(expected: Expected) -> dict[str, Any]:
    """Return the body's description for OpenAPI."""
    value = _value_schema(expected)
    by_id = _object({"prediction_id": {"type": "string", "format": "uuid"}, "value": value})
    anything = {"anyOf": [{"type": "string", "minLength": 1, "maxLength": LONGEST}, {"type": "number"}]}
    by_caller = _object({"id": anything, "value": value})
    items = {"type": "array", "items": {"oneOf": [by_id, by_caller]}, "minItems": 1}
    wrapped = {
        **_object({"feedback": items}),
        "properties": {
            "feedback": items,
            "source": {"type": "string", "minLength": 1, "maxLength": _LONGEST_SOURCE},
            "version": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
            "latest": {"type": "boolean", "description": "Match only the newest prediction of each id."},
        },
    }
    whole = {"oneOf": [by_id, by_caller, items, wrapped]}
    return {"required": True, "content": {"application/json": {"schema": whole}}}


def _value_schema(expected: Expected) -> dict[str, Any]:
    if expected.task == "regression":
        return {"type": "number"}
    if expected.classes:
        return {"enum": jsonb.plain(list(expected.classes))}
    return {"anyOf": [{"type": "string", "maxLength": LONGEST}, {"type": "number"}, {"type": "boolean"}]}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    required: Sequence[str] = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
