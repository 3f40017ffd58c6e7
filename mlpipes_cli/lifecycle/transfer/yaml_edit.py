"""Changes one value of ``mlpipes.yaml`` and keeps every other character."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.local_files import atomic_files


def edited(text: str, keys: Sequence[str], value: str, name: str) -> str:
    """Return the text of a YAML file with one plain value replaced.

    Args:
        text: The file's text.
        keys: The path of keys to the value.
        value: A word that needs no quotes.
        name: How messages call the file.

    Raises:
        UsageError: There is no plain value in that place.
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for key in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((child for found, child in pairs if found.value == key), None)
    location = " -> ".join(keys)
    if not isinstance(node, yaml.ScalarNode) or node.start_mark.index == node.end_mark.index:
        raise UsageError(f"{name}: {location} is not set", f"add it with the value {value}")
    changed = text[: node.start_mark.index] + value + text[node.end_mark.index :]
    if yaml.safe_load(changed) == yaml.safe_load(text):  # the value of an anchor, or similar
        raise UsageError(f"{name}: mlpipes cannot change {location}", f"set it to {value}")
    return changed


def read(path: Path) -> str:
    """Return the text of a file with its own line ends.

    Raises:
        MlpipesError: It cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise MlpipesError(f"{path}: cannot be read ({error})", "check the file") from None


def write(path: Path, text: str) -> None:
    """Replace a file atomically; its mode is kept.

    Raises:
        MlpipesError: It cannot be written.
    """
    try:
        atomic_files.write_text(path.resolve(), text, keep_mode=True, durable=True)
    except OSError as error:
        raise MlpipesError(
            f"{path}: cannot be written ({error.strerror})", "check the file's owner"
        ) from None
