"""Prepared data of versions, found again by what it depends on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import parse_yaml
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.data.prepared_cache import save
from mlpipes_cli.lifecycle.training.prepared_versions import KnownVersion, PreparedVersions
from mlpipes_cli.ports.data_sets.datasets import SPLIT, DatasetVersion, TableColumn

DATA = Data.model_validate({"source": "dataset:loans@3", "target": "y"})
VERSION = DatasetVersion("loans", 3, 7, "abc", 100, {"train": 80, "test": 20}, [TableColumn("a", "number")])


def known() -> KnownVersion:
    number = np.arange(100)
    parts = np.where(number % 5 == 0, "test", np.where(number % 7 == 0, "validation", "train"))
    frame = pd.DataFrame({"a": number * 0.5, "y": number % 2, SPLIT: parts})
    prepared = prepare(frame, DATA, parse_yaml("experiment: x\n", "e.yaml"))
    return KnownVersion(prepared, {"decimal": ","}, ("a note",), ("a warning",))


def test_what_was_kept_is_found_whole(tmp_path: Path) -> None:
    versions, one = PreparedVersions(tmp_path), known()
    key = versions.key(VERSION, DATA)
    assert versions.find(key) is None
    save(one.prepared, tmp_path / one.prepared.fingerprint)
    versions.keep(key, one)
    found = versions.find(key)
    assert found is not None
    assert (found.reading, found.notes, found.warnings) == ({"decimal": ","}, ("a note",), ("a warning",))
    pd.testing.assert_frame_equal(found.prepared.frame, one.prepared.frame)
    assert found.prepared.validation.tolist() == one.prepared.validation.tolist()
    assert found.prepared.train.tolist() == one.prepared.train.tolist()


def test_rows_that_are_gone_or_damaged_are_read_again(tmp_path: Path) -> None:
    versions, one = PreparedVersions(tmp_path), known()
    key = versions.key(VERSION, DATA)
    versions.keep(key, one)
    assert versions.find(key) is None, "the rows themselves were never stored"
    save(one.prepared, tmp_path / one.prepared.fingerprint)
    assert versions.find(key) is not None
    (tmp_path / one.prepared.fingerprint / "frame.parquet").write_bytes(b"half")
    assert versions.find(key) is None
    (tmp_path / "versions" / f"{key}.json").write_text("{")
    assert versions.find(key) is None


def test_a_key_depends_on_the_version_its_content_and_the_settings() -> None:
    versions = PreparedVersions(Path("nowhere"))
    keys = {
        versions.key(VERSION, DATA),
        versions.key(replace(VERSION, version=4), DATA),
        versions.key(replace(VERSION, fingerprint="abd"), DATA),
        versions.key(replace(VERSION, columns=[TableColumn("a", "text")]), DATA),
        versions.key(VERSION, DATA.model_copy(update={"drop": ("a",)})),
        versions.key(VERSION, DATA.model_copy(update={"weights": "w"})),
    }
    assert len(keys) == 6
    assert versions.key(VERSION, DATA) == versions.key(VERSION, DATA.model_copy())
