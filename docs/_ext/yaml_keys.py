"""The reference of the files that users write, from their JSON Schemas."""

import json
from typing import Any

from mlpipes_cli import metric_catalog
from mlpipes_cli.config.schema import schema

INTRO = {
    "mlpipes": "The settings of a project. Only `project` is required. "
    "`mlpipes.yaml.example` in the repository shows every key in one file.",
    "experiment": "One data set, one holdout, and the candidates that are compared on it.",
    "dataset": "A source of rows, what they are expected to be like, and how they are cleaned and split.",
    "pipeline": "The commands of a project as steps, and when they run.",
}
EDITOR = """\
The package holds this file's JSON Schema, `schemas/{name}.json`, which completes keys and marks mistakes
in an editor. Name it in the first line: `# yaml-language-server: $schema=PATH`.
"""


def page(name: str) -> str:
    """The page of one file, as Markdown."""
    root = schema(name)
    parts = [f"# `{name}.yaml`\n", INTRO[name], "", EDITOR.format(name=name)]
    _Walk(root, parts).model(root, "", 2, set())
    return "\n".join(parts)


class _Walk:
    def __init__(self, root: dict[str, Any], parts: list[str]) -> None:
        self._defs, self._parts = root.get("$defs", {}), parts

    def model(self, model: dict[str, Any], path: str, level: int, left_out: set[str]) -> None:
        """The table of a model's keys, and then a section for each key that has keys of its own."""
        properties = {k: v for k, v in model["properties"].items() if k not in left_out}
        needed = set(model.get("required", ()))
        self._parts += ["| key | value | default | |", "| --- | --- | --- | --- |"]
        for key, value in properties.items():
            default = "required" if key in needed else _default(value)
            self._parts.append(
                f"| `{key}` | {self._type(value)} | {default} | {_cell(value['description'])} |"
            )
        self._parts.append("")
        for key, value in properties.items():
            for found in self._models(value):
                self._section(found, f"{path}{key}", level)

    def _section(self, found: dict[str, Any], path: str, level: int) -> None:
        kind = found["properties"].get("trainer", {}).get("const")
        if kind is not None and path.startswith("runs"):
            path, shown = f"runs ({kind})", f"`runs`: `trainer: {kind}`"
        else:
            shown = f"`{path}`" + (f": {found['title']}" if "title" in found and "|" in path else "")
        self._parts += [f"{'#' * min(level, 4)} {shown}", "", _cell(found.get("description", "")), ""]
        self.model(found, f"{path}.", level + 1, set())

    def _models(self, value: dict[str, Any]) -> list[dict[str, Any]]:
        """The models that a key may hold."""
        if "$ref" in value:
            return self._models(self._defs[value["$ref"].rpartition("/")[2]])
        if "properties" in value:
            return [value]
        inner = [*value.get("anyOf", ()), *value.get("oneOf", ())]
        inner += [value["items"]] if isinstance(value.get("items"), dict) else []
        return [model for one in inner for model in self._models(one)]

    def _type(self, value: dict[str, Any]) -> str:
        if "$ref" in value:
            return self._type(self._defs[value["$ref"].rpartition("/")[2]])
        if "const" in value:
            return f"`{value['const']}`"
        if value.get("enum") == list(metric_catalog.NAMES):
            return "a [metric](metrics.md)"
        if "enum" in value:
            return ", ".join(f"`{_text(item)}`" for item in value["enum"])
        if "properties" in value:
            return "keys, below"
        several = [*value.get("anyOf", ()), *value.get("oneOf", ())]
        if several:
            told = [self._type(one) for one in several if one.get("type") != "null"]
            return " or ".join(dict.fromkeys(told))
        kind = value.get("type")
        if kind == "array":
            return f"list of {self._type(value.get('items', {}))}" if value.get("items") else "list"
        words = {"string": "text", "boolean": "true or false", "integer": "whole number", "object": "keys"}
        return f"{words.get(str(kind), str(kind or 'any'))}{_bounds(value)}"


def _bounds(value: dict[str, Any]) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    told = [f"{sign} {value[name]:g}" for name, sign in words.items() if name in value]
    return f" {', '.join(told)}" if told else ""


def _text(value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value)
    return shown.replace("\t", "\\t").replace("|", "\\|")


def _default(value: dict[str, Any]) -> str:
    found = value.get("default")
    return "" if found is None or isinstance(found, dict) else f"`{_text(found)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|").replace("<", "&lt;")
