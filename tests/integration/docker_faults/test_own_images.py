"""The images that mlpipes has built: listed, and removed where nobody needs them.

On an engine of the test's own: on the machine's, other tests' images are not in use all the time either.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Cli
from private_engine import PrivateEngine, missing_for_it

from mlpipes_cli.adapters.docker.images.build import LABEL, fingerprint
from mlpipes_cli.adapters.docker.stack.settings import compose_file
from mlpipes_cli.compose.builds import builds

pytestmark = pytest.mark.slow
MODEL = {"io.mlpipes.model": "people", "io.mlpipes.model.version": "3"}
CURRENT = fingerprint(builds(compose_file())[0])


@pytest.fixture(scope="module")
def engine() -> Iterator[PrivateEngine]:
    if missing := missing_for_it():
        pytest.skip(f"a private Docker engine needs {missing}")
    private = PrivateEngine()
    try:
        private.begin()
        yield private
    finally:
        private.end()


def build(client: Any, word: str, labels: dict[str, str], *names: str) -> str:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in (("Dockerfile", b"FROM scratch\nCOPY word /word\n"), ("word", word.encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    packed.seek(0)
    image, _ = client.images.build(fileobj=packed, custom_context=True, labels=labels, tag=names[0], rm=True)
    for name in names[1:]:
        image.tag(name)
    return str(image.id)


def test_what_nobody_needs_is_removed_and_nothing_else(engine: PrivateEngine, cli: Cli) -> None:
    cli.environment["DOCKER_HOST"] = engine.host
    assert cli("images").ok().out == "mlpipes has built no image on this engine\n"
    with engine.client() as client:
        ids = {
            "current": build(client, "a", {LABEL: CURRENT}, "mlpipes-mlflow:2"),
            "old": build(client, "b", {LABEL: "of-before"}, "mlpipes-mlflow:1", "mine:also"),
            "used": build(client, "c", {LABEL: "of-another"}, "mlpipes-api:1"),
            "model": build(client, "d", {LABEL: "x", **MODEL}, "people:3"),
            "other": build(client, "e", {"is": "not-ours"}, "mlpipes-jupyter:1"),
        }
        nameless = build(client, "f", {LABEL: "of-long-ago"}, "mlpipes-api:0")
        ids["newer"] = build(client, "g", {LABEL: CURRENT}, "mlpipes-api:0")  # and takes its name
        client.api.create_container(ids["used"], ["/word"], name="elsewhere-1")

        rows = {row["id"]: row for row in cli("images", "--json").ok().json}
        assert rows.keys() == {*ids.values(), nameless} - {ids["other"]}
        assert rows[ids["old"]]["names"] == ["mine:also", "mlpipes-mlflow:1"]
        assert rows[ids["used"]]["used_by"] == ["elsewhere-1"] and not rows[ids["used"]]["current"]
        assert (rows[ids["model"]]["kind"], rows[ids["model"]]["model"]) == ("model", "people 3")
        assert (rows[nameless]["names"], rows[ids["current"]]["current"]) == ([], True)
        table = cli("images").ok().out
        assert "another release" in table and "people 3" in table and "(no name)" in table

        refused = cli("images", "prune")
        assert refused.code == 2 and "add --yes" in refused.err
        assert len(cli("images", "--json").json) == 6
        done = cli("images", "prune", "--yes", "--json").ok().json
        assert {row["id"] for row in done["removed"]} == {ids["old"], nameless}
        assert done["kept"] == []
        there = {image.id for image in client.images.list()}
        assert there == {ids[name] for name in ("current", "newer", "used", "model", "other")}
        assert cli("images", "prune", "--yes").ok().out == "0 removed, up to 0 MB\n"
        assert cli("images", "prune", "--models", "--yes").ok().out.startswith("removed people:3\n1 removed")
        there = {image.id for image in client.images.list()}
        assert there == {ids[name] for name in ("current", "newer", "used", "other")}
