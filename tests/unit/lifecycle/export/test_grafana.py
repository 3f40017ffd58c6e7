"""The Grafana dashboard: its metrics are those that the API has, and it replaces only its own file."""

from __future__ import annotations

import json
import re
from pathlib import Path

from conftest import Cli

from mlpipes_cli.lifecycle.export.grafana import dashboard

ROOT = Path(__file__).parents[4]
SETTINGS = "project: credit\nruntime: embedded\n"


def queries() -> list[str]:
    return [target["expr"] for panel in dashboard("credit")["panels"] for target in panel["targets"]]


def test_every_metric_is_documented() -> None:
    text = (ROOT / "docs" / "how-to" / "serving" / "operations.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(mlpipes_\w+)`", text, re.MULTILINE))
    used = {name for query in queries() for name in re.findall(r"mlpipes_\w+", query)}
    assert len(used) > 8
    assert {name.removesuffix("_bucket") for name in used} <= documented


def test_panels_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in dashboard("credit")["panels"]]
    assert len({(place["x"], place["y"]) for place in places}) == len(places)
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert len({panel["id"] for panel in dashboard("credit")["panels"]}) == len(places)


def test_it_is_written_and_replaces_only_its_own(tmp_path: Path) -> None:
    (tmp_path / "mlpipes.yaml").write_text(SETTINGS)
    cli = Cli(tmp_path / "home", tmp_path)
    done = cli("export", "grafana", "--json").ok()
    written = json.loads((tmp_path / "grafana.json").read_text())
    assert written == dashboard("credit")
    assert done.json == {"path": "grafana.json", "panels": len(written["panels"])}
    cli("export", "grafana").ok()
    (tmp_path / "mine.json").write_text("{}")
    refused = cli("export", "grafana", "--output", "mine.json")
    assert (refused.code, (tmp_path / "mine.json").read_text()) == (2, "{}")
    assert "is not a dashboard of `mlpipes export grafana`" in refused.err
    cli("export", "grafana", "--output", "mine.json", "--force").ok()
    assert cli("export", "grafana", "--output", "no/where.json").code == 2
