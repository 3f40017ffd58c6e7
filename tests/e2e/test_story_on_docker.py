"""From an empty folder to stored predictions in containers; the same after a project came from elsewhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from carrying_help import difference, picture
from conftest import Cli
from docker_help import of_root
from stack_help import query

pytestmark = pytest.mark.slow
CORE = ["postgres", "minio", "mlflow"]


@dataclass
class Story:
    """A project that goes its way.

    Attributes:
        root: Its folder.
        cli: The binary.
        client: The Docker engine.
    """

    root: Path
    cli: Cli
    client: Any

    def run(self, *command: str) -> Any:
        """A command that works; its JSON."""
        return self.cli(*command, "--json", cwd=self.root, timeout=600).ok().json

    def train_and_promote(self) -> None:
        """Two quick candidates, the better one in production."""
        table = self.run("train", "--only", "logistic", "--only", "hist-boosting")
        assert [row["status"] for row in table["runs"]] == ["FINISHED"] * 2
        promoted = self.run("promote", "--metric", "ks", "--reason", "first")
        assert (promoted["to_version"], promoted["alias"]) == (1, "production")

    def scores(self, *options: str) -> list[dict[str, str]]:
        """The ten new rows, scored."""
        told = self.cli("predict", "data/new_rows.csv", *options, cwd=self.root).ok()
        return list(csv.DictReader(io.StringIO(told.out)))

    def predict(self) -> list[tuple[str, str]]:
        """The same through the API; each prediction is stored, with the answer that was given."""
        given = {row["prediction_id"]: float(row["score"]) for row in self.scores()}
        assert len(given) == 10
        kept = query(self.cli, self.root, "select prediction_id::text, scores::text from serving.predictions")
        stored = {id: float(score) for id, score in kept}
        assert {id: stored.get(id) for id in given} == given
        return [(row["score"], row["prediction"]) for row in self.scores("--offline")]

    def facts(self) -> dict[str, Any]:
        """What a move must not change: runs, versions, aliases, history, predictions, artifacts."""
        kept = {  # (servers sort texts differently)
            name: sorted(value) if isinstance(value, list) else value
            for name, value in picture(self.root).items()
        }
        return {name: self.run(name) for name in ("leaderboard", "models", "history")} | kept

    def services(self) -> dict[str, str]:
        rows = self.run("status")["services"]
        assert {row["state"] for row in rows} == {"running"}
        return {row["name"]: row["image"] for row in rows}

    def settings(self) -> dict[str, Any]:
        return dict(yaml.safe_load((self.root / "mlpipes.yaml").read_text()))


@pytest.fixture
def story(tmp_path: Path, cli: Cli, docker_engine: Any) -> Iterator[Story]:
    root = tmp_path / "tumours"
    made = Story(root, cli, docker_engine)
    cli("init", root, "--example", "breast-cancer").ok()
    yield made
    cli("down", "--volumes", "--yes", cwd=root).ok()
    cli(
        "migrate", "--forget", "--yes", cwd=root
    )  # where there was something to forget, and a test has failed
    assert not of_root(docker_engine, root)


def choose(story: Story, runtime: str) -> None:
    path = story.root / "mlpipes.yaml"
    text = path.read_text()
    assert "\nruntime: auto\n" in text
    path.write_text(text.replace("\nruntime: auto\n", f"\nruntime: {runtime}\n"))


def test_the_whole_story_in_containers_with_a_login(story: Story) -> None:
    choose(story, "docker")
    up = story.run("up", "--auth")
    assert [row["name"] for row in up["services"]] == CORE
    story.train_and_promote()
    served = story.run("serve", "--detach")
    answers = story.predict()
    assert len(answers) == 10
    services = story.services()
    assert list(services) == [*CORE, "api"]
    assert all(services[name] for name in CORE)
    story.run("down")
    assert not of_root(story.client, story.root).containers
    again = story.run("up")
    assert {row["name"]: row["state"] for row in again["services"]} == dict.fromkeys(services, "running")
    assert story.run("status")["services"][-1]["url"] == served["url"]
    assert story.predict() == answers


def test_a_project_that_came_from_processes_goes_on_in_containers(story: Story) -> None:
    choose(story, "embedded")
    story.run("up")
    story.train_and_promote()
    story.run("serve", "--detach")
    answers = story.predict()
    before = story.facts()
    assert any(name.startswith("artifacts/") for name in before)

    moved = story.run("migrate", "--to", "docker", "--yes")
    assert (moved["source"], moved["target"]) == ("embedded", "docker")
    assert story.settings()["runtime"] == "docker"
    assert list(story.services()) == [*CORE, "api"]
    assert difference(story.facts(), before) == []
    assert story.predict() == answers
