"""From a validation error of the models to lines that a user can act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.suggest import did_you_mean

M = TypeVar("M", bound=BaseModel)
_PLAIN = {"tuple_type": "a list", "list_type": "a list", "dict_type": "keys with values"}


def validate(model: type[M], source: YamlSource) -> M:
    """Make a model of a YAML document.

    Raises:
        ConfigError: With a line for each mistake.
    """
    try:
        return model.model_validate(source.data)
    except ValidationError as error:
        problems = [_problem(source, model, dict(item)) for item in error.errors()]
        raise ConfigError(sorted(dict.fromkeys(problems), key=_line_of)) from None


def _line_of(problem: str) -> int:
    return int(problem.split(":", 2)[1])


def _problem(source: YamlSource, model: type[BaseModel], item: dict[str, Any]) -> str:
    location = _in_file(source, item["loc"])
    kind, context, value = item["type"], item.get("ctx", {}), item.get("input")
    if kind == "missing":
        missing = item["loc"][-1]
        return source.problem(location, f"{missing!r} is missing")
    if kind == "extra_forbidden":
        return source.problem(location, unknown_key(model, item["loc"]))
    if kind == "union_tag_invalid":
        tags = [tag.strip(" '") for tag in str(context["expected_tags"]).split(",")]
        tag, field = str(context["tag"]), str(context["discriminator"]).strip("'")
        suggestion = did_you_mean(tag, tags) or f"; use one of {', '.join(tags)}"
        return source.problem((*location, field), f"unknown {field} {tag!r}{suggestion}")
    if kind == "union_tag_not_found":
        field = str(context["discriminator"]).strip("'")
        return source.problem(location, f"{field!r} is missing")
    if kind == "literal_error":
        choices = [choice.strip(" '") for choice in str(context["expected"]).replace(" or ", ",").split(",")]
        suggestion = did_you_mean(str(value), choices) or f"; use one of {', '.join(choices)}"
        return source.problem(location, f"{value!r} is not valid{suggestion}")
    if kind in _PLAIN:
        return source.problem(location, f"expected {_PLAIN[kind]}, got {_short(value)}")
    message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if kind in {"value_error", "assertion_error"}:
        return source.problem(location, message)
    return source.problem(location, f"{message[0].lower()}{message[1:]}, got {_short(value)}")


def unknown_key(model: type[BaseModel], location: Sequence[int | str]) -> str:
    """Return the message for a key that a model does not have at a location: the nearest one, or all."""
    known = _known_keys(model, location[:-1])
    listed = f"; valid keys: {', '.join(known)}" if known else ""
    return f"unknown key{did_you_mean(str(location[-1]), known) or listed}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _in_file(source: YamlSource, location: Sequence[int | str]) -> Location:
    """Return the part of a model's location that names keys of the file, without union tags."""
    found: list[int | str] = []
    value = source.data
    for position, part in enumerate(location):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        elif position == len(location) - 1 or isinstance(value, (dict, list)):
            continue  # a missing key, or the tag of a union
        else:
            break
        found.append(part)
    return tuple(found)


def _known_keys(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Return the keys that the model takes at a location (found through its JSON Schema)."""
    root = model.model_json_schema()
    found = _walk(root, root, list(location))
    return sorted(found)


def _walk(root: dict[str, Any], schema: dict[str, Any], location: list[int | str]) -> set[str]:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    branches = [*schema.get("anyOf", []), *schema.get("oneOf", []), *schema.get("allOf", [])]
    if branches and "properties" not in schema:  # else they only say which keys go together
        mapping = schema.get("discriminator", {}).get("mapping", {})
        if location and location[0] in mapping:
            return _walk(root, {"$ref": mapping[str(location[0])]}, location[1:])
        found = set[str]().union(*(_walk(root, branch, location) for branch in branches))
        if found or not location:
            return found
        return set[str]().union(*(_walk(root, branch, location[1:]) for branch in branches))
    if not location:
        return set(schema.get("properties", {}))
    if isinstance(location[0], int):
        return _walk(root, schema["items"], location[1:]) if "items" in schema else set()
    child = schema.get("properties", {}).get(location[0]) or schema.get("additionalProperties")
    return _walk(root, child, location[1:]) if isinstance(child, dict) else set()
