"""Parse an inference request: JSON, then the bytes of its binary tensors; possibly compressed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlpipes_cli.server.http.api_error import ApiError, bad_request, too_large
from mlpipes_cli.server.requests.body_reader import read_json
from mlpipes_cli.server.requests.validation import kind_of
from mlpipes_cli.server.v2 import tensors
from mlpipes_cli.server.v2.tensors import Tensor

HEADER = "inference-header-content-length"
MOST_INPUTS = 50_000
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
_MOST_MEMBERS = 1_000  # of a body in gzip; each copies what follows it
_UNSUPPORTED = ("shared_memory_region", "classification")


@dataclass(frozen=True)
class Wanted:
    """A requested output, and whether it is sent as bytes."""

    name: str
    binary: bool


@dataclass(frozen=True)
class Inference:
    """An inference request.

    Attributes:
        id: The caller's own id of the request, or None.
        inputs: The inputs by name, in their order.
        outputs: The requested outputs, or None for all.
        binary: Whether outputs are sent as bytes by default.
        parameters: The parameters of the request.
    """

    id: str | None
    inputs: Mapping[str, Tensor]
    outputs: tuple[Wanted, ...] | None
    binary: bool
    parameters: Mapping[str, Any]


def decompressed(body: bytes, coding: str, limit: int) -> bytes:
    """Return the body without its content coding, decompressed up to the limit.

    Raises:
        ApiError: The coding is unknown (415) or invalid (400), or the content is too large (413).
    """
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in _WINDOWS:
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "expected the content coding gzip, deflate or none")
    parts: list[bytes] = []
    size, rest = 0, body
    while rest or not parts:  # RFC 1952, section 2.2: a file is a series of members
        unpacker = zlib.decompressobj(_WINDOWS[coding])
        try:
            parts.append(unpacker.decompress(rest, limit + 1 - size))
        except zlib.error:
            raise bad_request(f"the body is not valid {coding}") from None
        size += len(parts[-1])
        if size > limit:
            raise too_large(f"the decompressed body exceeds the limit of {limit} bytes")
        if not unpacker.eof:
            raise bad_request("the body ended early")
        rest = unpacker.unused_data
        if len(parts) == _MOST_MEMBERS or (rest and coding != "gzip"):
            raise bad_request(f"the body is not valid {coding}: {len(rest)} bytes follow its end")
    return b"".join(parts)


def read(body: bytes, header: str | None) -> Inference:
    """Parse a request.

    Args:
        body: The body without compression.
        header: ``Inference-Header-Content-Length``: the length of the JSON; None for JSON alone.

    Raises:
        ApiError: The body is not an inference request (400).
    """
    length = len(body)
    if header is not None:
        if not header.isascii() or not header.isdigit() or len(header) > 18 or int(header) > len(body):
            raise bad_request("Inference-Header-Content-Length must be a size within the body")
        length = int(header)
    document = read_json(body[:length])
    if not isinstance(document, dict):
        raise bad_request(f"expected a JSON object, got {kind_of(document)}")
    parameters = _parameters(document, "the request")
    identifier = document.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise bad_request(f"id must be text, got {kind_of(identifier)}")
    return Inference(
        id=identifier,
        inputs=_inputs(document.get("inputs"), memoryview(body)[length:]),
        outputs=_outputs(document.get("outputs"), parameters.get("binary_data_output") is True),
        binary=parameters.get("binary_data_output") is True,
        parameters=parameters,
    )


def _parameters(document: Mapping[str, Any], where: str) -> dict[str, Any]:
    found = document.get("parameters", {})
    if not isinstance(found, dict):
        raise bad_request(f"parameters of {where} must be an object, got {kind_of(found)}")
    for name in _UNSUPPORTED:
        if name in found:
            raise bad_request(f"parameter {name!r} is not supported here")
    return found


def _inputs(given: Any, binary: memoryview) -> dict[str, Tensor]:
    if not isinstance(given, list) or not given:
        raise bad_request("inputs must be a list of at least one tensor")
    if len(given) > MOST_INPUTS:
        raise too_large(f"{len(given)} inputs in one request; the limit is {MOST_INPUTS}")
    found: dict[str, Tensor] = {}
    at = 0
    for position, entry in enumerate(given):
        name = _name(entry, f"input {position}")
        if name in found:
            raise bad_request(f"input {name!r} appears twice")
        datatype, shape = entry.get("datatype"), tensors.checked_shape(entry.get("shape"), name)
        if not isinstance(datatype, str) or (datatype not in tensors.NUMPY and datatype != tensors.BYTES):
            known = ", ".join([*tensors.NUMPY, tensors.BYTES])
            raise bad_request(f"input {name!r}: datatype must be one of {known}")
        parameters = _parameters(entry, f"input {name!r}")
        size, declared = parameters.get("binary_data_size"), parameters.get("content_type")
        content_type = declared if isinstance(declared, str) else None
        if size is None:
            found[name] = tensors.from_json(name, datatype, shape, entry.get("data"), content_type)
            continue
        if type(size) is not int or size < 0 or at + size > len(binary):
            raise bad_request(f"input {name!r}: binary_data_size must be a size within the body")
        if "data" in entry:
            raise bad_request(f"input {name!r} has both data and binary_data_size")
        found[name] = tensors.from_bytes(name, datatype, shape, bytes(binary[at : at + size]), content_type)
        at += size
    if at != len(binary):
        raise bad_request(f"the body has {len(binary) - at} bytes that do not belong to any input")
    return found


def _outputs(given: Any, binary: bool) -> tuple[Wanted, ...] | None:
    if given is None or given == []:
        return None
    if not isinstance(given, list):
        raise bad_request(f"outputs must be a list, got {kind_of(given)}")
    wanted = []
    for position, entry in enumerate(given):
        name = _name(entry, f"output {position}")
        chosen = _parameters(entry, f"output {name!r}").get("binary_data", binary)
        wanted.append(Wanted(name, chosen is True))
    if len({output.name for output in wanted}) < len(wanted):
        raise bad_request("an output is requested twice")
    return tuple(wanted)


def _name(entry: Any, where: str) -> str:
    if not isinstance(entry, dict):
        raise bad_request(f"{where} must be an object, got {kind_of(entry)}")
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise bad_request(f"{where} has no name")
    return name
