"""What `up` makes of its options, and that the extras are those of the description."""

from __future__ import annotations

import re

import pytest
import yaml

from mlpipes_cli import package_files
from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.stack import _merged
from mlpipes_cli.services import catalog
from mlpipes_cli.stack_state import StackState

BEFORE = StackState("docker", ("jupyter",), True)


def test_extras_in_containers_are_profiles_of_the_compose_file() -> None:
    document = yaml.safe_load((package_files.root() / "compose" / "compose.yaml").read_text())
    profiles = {profile for one in document["services"].values() for profile in one.get("profiles", ())}
    assert {one.name for one in catalog.everything() if one.optional and one.container} <= profiles


@pytest.mark.parametrize(
    ("extra", "kept"),
    [
        ((), ("jupyter",)),
        (("pgadmin",), ("jupyter", "pgadmin")),
        (("jupyter",), ("jupyter",)),
        (("none",), ()),
        (("none", "pgadmin"), ("pgadmin",)),
    ],
)
def test_services_are_added_to_those_before(extra: tuple[str, ...], kept: tuple[str, ...]) -> None:
    assert _merged(BEFORE, "docker", extra, None) == StackState("docker", kept, True)


@pytest.mark.parametrize(("auth", "wanted"), [(None, True), (False, False), (True, True)])
def test_auth_stays_until_it_is_changed(auth: bool | None, wanted: bool) -> None:
    assert _merged(BEFORE, "embedded", (), auth) == StackState("embedded", (), wanted)


@pytest.mark.parametrize(
    ("runtime", "extra", "auth", "said"),
    [
        ("docker", ("jupiter",), None, "--with: there is no service 'jupiter'"),
        ("embedded", ("pgadmin",), None, "--with pgadmin: the embedded runtime has no such service"),
        ("remote", ("jupyter",), None, "--with jupyter: the remote runtime has no such service"),
        ("remote", (), True, "--auth: a remote MLflow has its own authentication settings"),
    ],
)
def test_what_does_not_fit_is_refused(
    runtime: str, extra: tuple[str, ...], auth: bool | None, said: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        _merged(BEFORE, runtime, extra, auth)
