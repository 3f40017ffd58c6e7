"""The Markdown and the page of a model card: right values, and nothing of a name becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.promotion.verdict import AliasHolder, GateResult, Verdict
from mlpipes_cli.lifecycle.reports import markdown, page
from mlpipes_cli.lifecycle.reports.card import CardData, CardMetric, ModelCard
from mlpipes_cli.lifecycle.reports.report import ReportFile
from mlpipes_cli.scoring.compare import ModelComparison

COMPARISON = ModelComparison(
    "ks", 0.41, 0.472, 0.062, 0.0215, 0.0031, 2, 1200, True, "ks 0.472 against 0.410"
)
VERDICT = Verdict(
    outcome="would promote", reason=COMPARISON.reason, hint="", model="loans", alias="production",
    experiment="loans", candidate="forest", run_id="a" * 32, metric="ks", value=0.472, confidence=0.95,
    min_improvement=0.0, candidates=2, gates=(GateResult("roc_auc", 0.7, None, 0.81, True),),
    incumbent=AliasHolder(3, "b" * 32, "logistic", "loans"), comparison=COMPARISON, from_version=3,
)  # fmt: skip


def entry(name: str, run_id: str, ks: float | None, **more: Any) -> dict[str, Any]:
    metrics = {} if ks is None else {"ks": ks}
    return {
        "name": name, "run_id": run_id, "status": "FINISHED", "metrics": metrics, "intervals": {"ks": None},
        "seconds": 2.5, "error": None, "version": None, "aliases": [],
    } | more  # fmt: skip


CARD = ModelCard(
    model="loans", version=None, aliases=(), experiment="loans", candidate="forest", run_id="a" * 32,
    task="binary", trainer="sklearn", params={"max_depth": "8"}, threshold=0.375,
    trained_at="2026-11-21T10:30:00+00:00", trained_by="ada", commit="1234abcd-dirty", seconds=2.5,
    data=CardData("data/loans.csv", "loans@3", "f" * 64, "bad", {"test": 0.2, "seed": 42, "by": None},
                  4800, 1200, "e" * 64),
    metrics=(CardMetric("ks", "KS", True, 0.472, (0.42, 0.52), 0.41),
             CardMetric("log_loss", "log loss", False, 0.31, None, None)),
    verdict=VERDICT,
    leaderboard={"metric": "ks", "runs": [
        entry("forest", "a" * 32, 0.472, intervals={"ks": (0.42, 0.52)}),
        entry("logistic", "b" * 32, 0.41, version=3, aliases=["production"]),
        entry("broken", "c" * 32, None, status="FAILED", error="ValueError: no"),
    ]},
    plots=("ks.png",),
)  # fmt: skip
HOSTILE = "a|b <script>alert(1)</script> `x` @team \x1b[31m ![](http://evil.example/p.png)"


def test_markdown_has_the_values() -> None:
    text = markdown.text(CARD, {"ks.png": "card_files/ks.png"})
    lines = text.splitlines()
    assert lines[:3] == [markdown.MARK, "", "# loans, forest"]
    assert "**would promote: ks 0.472 against 0.410**" in lines
    assert "## Metrics on the 1,200 rows of the holdout" in lines
    assert "| **KS** | **0.4720** | **0.4200 to 0.5200** | **0.4100** | **higher** |" in lines
    assert r"| log loss | 0.3100 | too few rows |  | lower |" in lines
    assert "| **forest** | **0.4720** | **0.4200 to 0.5200** | **2.5** | **finished** |  |" in lines
    assert "| logistic | 0.4100 | too few rows | 2.5 | finished | 3, production |" in lines
    assert "| broken |  | too few rows | 2.5 | failed: ValueError: no |  |" in lines
    assert "| incumbent | version 3 (logistic) |" in lines
    assert r"| improvement | +0.0620, at least +0.0215 at 95% confidence |" in lines
    assert r"| gate roc\_auc | 0.8100 (min 0.7): passed |" in lines
    assert "| split | test 0.2, seed 42 |" in lines
    assert "| trained | 2026-11-21 10:30:00 UTC |" in lines and "| by | ada |" in lines
    assert "![ks](<card_files/ks.png>)" in lines and "mermaid" not in text


def test_without_files_the_leaderboard_is_a_chart() -> None:
    text = markdown.text(replace(CARD, candidate='the "best"'))
    chart = text[text.index("```mermaid") :].partition("```\n")[0]
    assert 'x-axis ["forest", "logistic"]' in chart and "bar [0.472, 0.41]" in chart
    assert "y-axis 0 --> 1" in chart and "![" not in text


def test_nothing_of_a_name_is_markdown() -> None:
    hostile = replace(
        CARD,
        candidate=HOSTILE,
        params={HOSTILE: HOSTILE},
        leaderboard={"metric": "ks", "runs": [entry(HOSTILE, "a", 0.4), entry('"]\n%%{init', "b", 0.3)]},
        verdict=replace(VERDICT, candidate=HOSTILE, reason=HOSTILE),
    )
    text = markdown.text(hostile)
    assert not re.search(r"(?<!\\)<script", text) and "\x1b" not in text
    assert not re.search(r"(?<!\\)!\[|@team|(?<!\\)`x", text.partition("```mermaid")[0])
    rows = [line for line in text.splitlines() if line.startswith("| challenger")]
    assert len(rows) == 1 and len(re.findall(r"(?<!\\)\|", rows[0])) == 3
    chart = text[text.index("```mermaid") :].partition("\n```\n")[0]
    assert len(chart.splitlines()) == 6 and chart.count('"') == 6


class Elements(HTMLParser):
    """Collects the elements and the addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def test_the_page_holds_everything() -> None:
    found = Elements(page.page(replace(CARD, candidate=HOSTILE), {"ks.png": b"\x89PNG"}))
    assert found.links == ["data:,", "data:image/png;base64,iVBORw=="]
    assert "script" not in found.tags
    assert ["KS", "0.4720", "0.4200 to 0.5200", "0.4100", "higher"] in found.rows
    assert ["p-value", "0.0031"] in found.rows
    assert ["logistic", "0.4100", "too few rows", "2.5", "finished", "3, production"] in found.rows


def test_files_of_others_stay(tmp_path: Path) -> None:
    for name in ("mine.md", "mine.html"):
        (tmp_path / name).write_text("notes")
        with pytest.raises(UsageError, match="is not a report of"):
            ReportFile(tmp_path / name)
    with pytest.raises(UsageError, match=r"'card\.pdf' ends in neither"):
        ReportFile(tmp_path / "card.pdf")
    (tmp_path / "card_files").mkdir()
    (tmp_path / "card_files" / "ks.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match="has other files"):
        ReportFile(tmp_path / "card.md")
    ReportFile(tmp_path / "card.md", force=True).write(CARD, {"ks.png": b"new"})
    assert (tmp_path / "card_files" / "ks.png").read_bytes() == b"new"
    ReportFile(tmp_path / "card.md").write(CARD, {"ks.png": b"again"})  # one of ours is replaced
    assert (tmp_path / "card_files" / "ks.png").read_bytes() == b"again"
