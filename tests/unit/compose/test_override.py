"""What may stand in compose.override.yaml, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlpipes_cli.adapters.docker.stack.settings import compose_file
from mlpipes_cli.compose import override
from mlpipes_cli.compose.load import load
from mlpipes_cli.compose.model import Compose
from mlpipes_cli.errors import ConfigError, UsageError
from mlpipes_cli.services import catalog

VARIABLES = dict.fromkeys(catalog.secrets(catalog.built_in()), "secret")
ACTIVE = ("postgres", "minio", "mlflow")


def extended(folder: Path, text: str) -> Compose:
    (folder / override.NAME).write_text(text)
    return override.extend(load(compose_file(), VARIABLES), folder / override.NAME, VARIABLES, ACTIVE)


def test_services_and_volumes_are_added(tmp_path: Path) -> None:
    text = """
services:
  grafana:
    image: grafana/grafana:11
    build: ./grafana
    volumes: ["boards:/var/lib/grafana"]
    depends_on: [postgres, databases, helper]
  helper: {image: "busybox:1"}
volumes: {boards: }
"""
    found = extended(tmp_path, text)
    base = load(compose_file(), VARIABLES)
    assert [*found.services] == [*base.services, "grafana", "helper"]
    assert found.volumes == (*base.volumes, "boards")
    build = found.services["grafana"].build
    assert build is not None and build.context == tmp_path / "grafana"
    assert override.names(tmp_path) == ("grafana", "helper")


WRONG = {
    "ours": ("postgres: {image: x}", "3: services -> postgres: 'postgres' is a service of mlpipes itself"),
    "a step of ours": ("bucket: {image: x}", "'bucket' is a service of mlpipes itself"),
    "an api": ("api-mine: {image: x}", "3: services -> api-mine: 'api-mine' is a service of mlpipes itself"),
    "profiles": ("own: {image: x, profiles: [a]}", "profiles: not supported: remove it"),
    "a step": ("own: {image: x, x-mlpipes-step: a}", "only mlpipes itself may define steps"),
    "an unknown need": ("own: {image: x, depends_on: [postgers]}", "did you mean 'postgres'?"),
    "a profile of ours": ("own: {image: x, depends_on: [jupyter]}", "`mlpipes up --with jupyter` adds it"),
    "another store": ("own: {image: x, depends_on: [rustfs]}", "rustfs is not part of this stack"),
    "no image": ("own: {build: .}", "3: services -> own: 'image' is missing"),
    "a folder": ("own: {image: x, volumes: ['./a:/b']}", "'./a'"),
    "our volume": ("own: {image: x}\nvolumes: {postgres: }", "'postgres' is a volume of mlpipes itself"),
    "a network": ("own: {image: x, networks: [a]}", "own -> networks: not supported"),
    "networks": ("own: {image: x}\nnetworks: {a: }", "4: networks: not supported: remove it"),
    "another's network": ("own: {image: x, network_mode: none}", "own -> network_mode: not supported"),
    "a circle": ("a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}", "a -> b -> a"),
    "a bad name": ("Own: {image: x}", "3: services -> Own"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_refused(tmp_path: Path, what: str) -> None:
    services, said = WRONG[what]
    with pytest.raises(ConfigError) as caught:
        extended(tmp_path, f"# mine\nservices:\n  {services}\n")
    (line,) = [one for one in caught.value.lines() if said in one]
    assert f"{override.NAME}:" in line


@pytest.mark.parametrize("text", ["services: [\n", "services: 5\n", "- a\n"])
def test_a_broken_file_names_no_services(tmp_path: Path, text: str) -> None:
    with pytest.raises((ConfigError, UsageError)):
        extended(tmp_path, text)
    assert override.names(tmp_path) == ()


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert override.names(tmp_path) == ()
