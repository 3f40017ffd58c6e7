"""What the preparation of a data set is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli.config.dataset.config import DatasetConfig
from mlpipes_cli.config.yaml_source import YamlSource

if TYPE_CHECKING:
    import pandas as pd

Call = Callable[["pd.DataFrame"], "pd.DataFrame"]


@dataclass(frozen=True)
class Work:
    """What a preparation is made of.

    Attributes:
        config: ``dataset.yaml``.
        source: Its lines.
        texts: The queries of ``sql`` steps, by position.
        calls: The functions of ``function`` steps, by position.
        settings: What is kept with the version.
        actor: Who prepares.
        say: Told each step when it begins.
        note: Told what users should know.
    """

    config: DatasetConfig
    source: YamlSource
    texts: Mapping[int, str]
    calls: Mapping[int, Call]
    settings: Mapping[str, Any]
    actor: str
    say: Callable[[str], None]
    note: Callable[[str], None]
