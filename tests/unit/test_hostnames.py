from __future__ import annotations

import socket

import pytest

from mlpipes_cli.hostnames import names_of


def test_a_name_is_itself_and_an_address_has_none() -> None:
    assert names_of("Build.example.com") == ("build.example.com",)
    assert names_of("localhost") == names_of("127.0.0.1") == names_of("::1") == names_of("10.1.2.3") == ()


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_every_interface_has_the_machines_names(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    monkeypatch.setattr(socket, "getfqdn", lambda: "box.corp.example")
    assert names_of(address) == ("box.corp.example",)
