from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mlpipes_cli.config.experiment import ExperimentConfig
from mlpipes_cli.lifecycle.training.spec import Candidate, candidate, resolved_yaml

FOREST = {
    "name": "forest",
    "trainer": "sklearn",
    "estimator": "sklearn.ensemble.RandomForestClassifier",
    "params": {"max_depth": None, "class_weight": {0: 1, 1: 2}},
}
MINE = {"name": "mine", "trainer": "python", "function": "mine:train"}


def config(run: dict[str, Any], **data: Any) -> ExperimentConfig:
    base = {"source": "sklearn:iris", "target": "target"} | data
    return ExperimentConfig.model_validate({"experiment": "e", "data": base, "runs": [run]})


def made(run: dict[str, Any], folder: Path, metric: str = "ks", **data: Any) -> Candidate:
    given = config(run, **data)
    return candidate(given.runs[0], given, metric, [str(folder)])


def test_the_hash_is_the_same_for_the_same_and_another_for_anything_that_matters(tmp_path: Path) -> None:
    first = made(FOREST, tmp_path).hash
    assert made(FOREST, tmp_path).hash == first
    assert made(FOREST, tmp_path, metric="roc_auc").hash == first, "the metric does not change a fit"
    others = [
        made(FOREST | {"params": {"max_depth": 3}}, tmp_path),
        made(FOREST | {"seed": 1}, tmp_path),
        made(FOREST, tmp_path, preprocess="none"),
        made(FOREST, tmp_path, split={"seed": 5}),
    ]
    assert len({first, *(other.hash for other in others)}) == 5


def test_how_the_data_is_written_counts_where_it_has_to_be_known_later(tmp_path: Path) -> None:
    given = config(FOREST)

    def hashed(reading: dict[str, Any] | None) -> str:
        return candidate(given.runs[0], given, "ks", [str(tmp_path)], reading).hash

    assert hashed({}) == hashed(None), "models of plain files stay in the cache"
    assert len({hashed(None), hashed({"decimal": ","}), hashed({"missing": ["?"]})}) == 3


def test_a_search_depends_on_the_metric_that_it_maximises(tmp_path: Path) -> None:
    searching = FOREST | {"search": {"max_depth": [1, 2]}}
    assert made(searching, tmp_path).hash != made(searching, tmp_path, metric="roc_auc").hash


def test_the_users_code_is_part_of_it_through_its_imports(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from helpers import size\ndef train(X, y): ...\n")
    (tmp_path / "helpers.py").write_text("size = 1\n")
    first = made(MINE, tmp_path).hash
    assert made(MINE, tmp_path).hash == first
    (tmp_path / "helpers.py").write_text("size = 2\n")
    second = made(MINE, tmp_path).hash
    (tmp_path / "unrelated.py").write_text("x = 1\n")
    assert made(MINE, tmp_path).hash == second != first


def test_the_seed_is_the_splits_unless_the_run_has_its_own(tmp_path: Path) -> None:
    assert made(FOREST, tmp_path, split={"seed": 9}).spec["seed"] == 9
    assert made(FOREST | {"seed": 4}, tmp_path, split={"seed": 9}).spec["seed"] == 4


def test_logged_params_are_readable(tmp_path: Path) -> None:
    params = made(FOREST, tmp_path).params()
    assert params["estimator"] == "sklearn.ensemble.RandomForestClassifier"
    assert (params["max_depth"], params["seed"]) == ("null", "42")
    assert all(isinstance(value, str) for value in params.values())


@pytest.mark.parametrize(
    "run", [FOREST, MINE, FOREST | {"search": {"method": "random", "space": {"max_depth": [1]}}}]
)
def test_the_resolved_file_is_a_right_one_with_the_same_hash(run: dict[str, Any], tmp_path: Path) -> None:
    given = config(run)
    first = candidate(given.runs[0], given, "ks", [str(tmp_path)])
    text = resolved_yaml(given, first, "ks", "binary", 1)
    again = ExperimentConfig.model_validate(yaml.safe_load(text))
    assert candidate(again.runs[0], again, "ks", [str(tmp_path)]).hash == first.hash
    assert (again.metric, again.data.task, again.data.positive) == ("ks", "binary", 1)


def test_imports_inside_of_functions_count_and_a_packages_own_code(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def train(X, y):\n    from parts.helpers import size\n")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "helpers.py").write_text("size = 1\n")
    hashes = [made(MINE, tmp_path).hash]
    for changed in ("helpers.py", "__init__.py"):
        (tmp_path / "parts" / changed).write_text("size = 2\n")
        hashes.append(made(MINE, tmp_path).hash)
    assert len(set(hashes)) == 3


def test_code_that_only_the_params_name_counts(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("x = 1\n")
    nested = FOREST | {"params": {"estimator": {"estimator": "mine.Tree"}}}
    first = made(nested, tmp_path).hash
    (tmp_path / "mine.py").write_text("x = 2\n")
    assert made(nested, tmp_path).hash != first


def test_versions_of_what_the_users_code_imports_count_and_of_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    for name in ("used", "unused"):
        (site / name).mkdir(parents=True)
        (site / name / "__init__.py").write_text("")
        (site / f"{name}-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(site)

    def versions(used: str, unused: str) -> str:
        for name, number in (("used", used), ("unused", unused)):
            text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n"
            (site / f"{name}-1.0.dist-info" / "METADATA").write_text(text)
        return made(MINE, folder).hash

    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "mine.py").write_text("import used, json\ndef train(X, y): ...\n")
    first = versions("1.0", "1.0")
    assert versions("1.0", "2.0") == first
    assert versions("2.0", "2.0") != first
