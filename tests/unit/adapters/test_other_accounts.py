"""Who else is on this machine, where MLflow asks nobody who they are."""

from __future__ import annotations

import os
from pwd import struct_passwd

import pytest

from mlpipes_cli.adapters.doctor_checks import accounts


def account(name: str, uid: int, shell: str = "/bin/bash") -> struct_passwd:
    return struct_passwd((name, "x", uid, uid, "", f"/home/{name}", shell))


SERVICES = [
    account("root", 0),
    account("postgres", 120),
    account("nobody", 65534, "/usr/sbin/nologin"),
    account("backup", 1500, "/bin/false"),
    account("me", os.getuid()),
]
PEOPLE = [
    account("bob", 1001),
    account("ada", 1002, "/usr/bin/zsh"),
    account("cyd", 1003),
    account("dan", 1004),
]


@pytest.mark.parametrize(
    ("people", "told"),
    [
        (PEOPLE[:1], "bob can write"),
        (PEOPLE[:3], "ada, bob, cyd can write"),
        (PEOPLE, "ada, bob, cyd and 1 more can"),
    ],
)
def test_other_people_are_named_with_what_to_do(people: list[struct_passwd], told: str) -> None:
    found = accounts(False, [*SERVICES, *people])
    assert (found.level, found.fix) == ("warning", "run `mlpipes up --auth`")
    assert found.found.startswith(told) and "requires no password" in found.found


def test_services_and_oneself_are_nobody_else() -> None:
    assert accounts(False, SERVICES).level == "ok"
    assert accounts(True, [*SERVICES, *PEOPLE]).level == "ok"
    assert accounts(False).level in {"ok", "warning"}  # the machine's own
