from __future__ import annotations

from pathlib import Path

import pytest

from mlpipes_cli.config.project import load_project_config
from mlpipes_cli.config.serving import Serving
from mlpipes_cli.errors import ConfigError, UsageError
from mlpipes_cli.project import find_project

GOOD = """\
project: credit
runtime: auto
stack:
  postgres: {port: auto}
  object_store: {engine: minio, port: auto, console_port: auto, bucket: mlflow}
  mlflow: {port: 5050}
serving: {model: credit-default, alias: production, port: auto, workers: 1}
promotion:
  metric: ks
  min_improvement: 0.0
  confidence: 0.95
  gates: [{metric: roc_auc, min: 0.7}]
"""

MISTAKES = {
    "upper case project": (
        GOOD.replace("project: credit", "project: Credit"),
        "mlpipes.yaml:1: project: 'Credit'",
    ),
    "unknown runtime": (
        GOOD.replace("runtime: auto", "runtime: dockr"),
        "mlpipes.yaml:2: runtime: 'dockr' is not valid; did you mean 'docker'?",
    ),
    "port is a word": (
        GOOD.replace("5050", "high"),
        "mlpipes.yaml:6: stack -> mlflow -> port: expected 'auto' or",
    ),
    "port too large": (GOOD.replace("5050", "70000"), "stack -> mlflow -> port: expected 'auto' or a port"),
    "port is true": (GOOD.replace("5050", "true"), "stack -> mlflow -> port: expected 'auto' or a port"),
    "unknown engine": (GOOD.replace("minio", "minjo"), "did you mean 'minio'?"),
    "address that is none": (
        GOOD.replace("stack:\n", "stack:\n  listen: everybody\n"),
        "mlpipes.yaml:4: stack -> listen: 'everybody' is not a valid IP address; use 127.0.0.1",
    ),
    "memory without a unit": (
        GOOD.replace("port: 5050", "memory: 512"),
        "mlpipes.yaml:6: stack -> mlflow -> memory: expected a size such as 512m or 2g, got 512",
    ),
    "no processor": (
        GOOD.replace("port: 5050", "cpus: 0"),
        "stack -> mlflow -> cpus: input should be greater",
    ),
    "auth is a word": (GOOD.replace("port: 5050", "auth: basic"), "mlpipes.yaml:6: stack -> mlflow -> auth"),
    "empty address": (GOOD.replace("port: 5050", "url: ''"), "mlpipes.yaml:6: stack -> mlflow -> url"),
    "misspelt address": (
        GOOD.replace("port: 5050", "ulr: http://x"),
        "mlpipes.yaml:6: stack -> mlflow -> ulr: unknown key; did you mean 'url'?",
    ),
    "bucket with a slash": (GOOD.replace("bucket: mlflow", "bucket: a/b"), "stack -> object_store -> bucket"),
    "reserved alias": (GOOD.replace("alias: production", "alias: latest"), "'latest' is reserved"),
    "version-like alias": (GOOD.replace("alias: production", "alias: v1"), "'v1' is not a valid alias"),
    "no workers": (GOOD.replace("workers: 1", "workers: 0"), "serving -> workers: input should be greater"),
    "confidence in percent": (
        GOOD.replace("0.95", "95"),
        "promotion -> confidence: input should be less than 1",
    ),
    "negative improvement": (GOOD.replace("min_improvement: 0.0", "min_improvement: -1"), "min_improvement"),
    "gate without a bound": (GOOD.replace(", min: 0.7", ""), "promotion -> gates -> 0: a gate needs `min`"),
    "gate with crossed bounds": (GOOD.replace("min: 0.7", "min: 0.7, max: 0.1"), "min 0.7 is above max 0.1"),
    "gate on an unknown metric": (
        GOOD.replace("roc_auc", "roc_acu"),
        "promotion -> gates -> 0 -> metric: unknown metric 'roc_acu'; did you mean 'roc_auc'?",
    ),
    "unknown section": (GOOD + "watching: {}\n", "mlpipes.yaml:13: watching: unknown key"),
    "a window without a unit": (
        GOOD + "monitoring: {window: 1}\n",
        "mlpipes.yaml:13: monitoring -> window: expected a time such as 30m, 12h, 7d or 2w, got 1",
    ),
    "a schedule of minutes": (
        GOOD + "monitoring: {schedule: 5s}\n",
        "mlpipes.yaml:13: monitoring -> schedule: 5s: use a time from 10s to 3650d",
    ),
    "an effect in percent": (
        GOOD + "monitoring: {columns: {Amount: {min_effect: 20}}}\n",
        "mlpipes.yaml:13: monitoring -> columns -> Amount -> min_effect: input should be less than 1",
    ),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, kind: str) -> None:
    text, expected = MISTAKES[kind]
    path = tmp_path / "mlpipes.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_project_config(path, "mlpipes.yaml")
    assert any(expected in line for line in caught.value.lines()), caught.value.lines()
    assert len(caught.value.lines()) == 1


def test_a_project_is_found_from_below(tmp_path: Path) -> None:
    (tmp_path / "mlpipes.yaml").write_text(GOOD, encoding="utf-8")
    below = tmp_path / "notebooks" / "deep"
    below.mkdir(parents=True)
    project = find_project(below)
    assert project.root == tmp_path
    assert project.config.stack.mlflow.port == 5050
    assert project.state == tmp_path / ".mlpipes"


def test_no_project(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no mlpipes\.yaml in .* or above"):
        find_project(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        find_project(tmp_path / "missing")


def test_one_folder_is_one_project_whatever_way_leads_to_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "below").mkdir(parents=True)
    (home / "mlpipes.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "link").symlink_to(home)
    ways = (home, tmp_path / "link", home / "below" / "..", home / "below" / ".." / ".." / "home")
    assert {find_project(way).root for way in ways} == {home.resolve()}


@pytest.mark.parametrize("name", ["api.example.com", "*.example.com", "*", "my_api", "10.0.0.1"])
def test_names_of_the_api(name: str) -> None:
    assert Serving.model_validate({"allowed_hosts": [name]}).allowed_hosts == (name,)


@pytest.mark.parametrize("name", ["", "http://x", "x:8000", "*.", "a..b", "a b", "*x.com", "x.*"])
def test_what_is_no_name_of_the_api(name: str) -> None:
    with pytest.raises(ValueError, match="is not a valid host name"):
        Serving.model_validate({"allowed_hosts": [name]})
