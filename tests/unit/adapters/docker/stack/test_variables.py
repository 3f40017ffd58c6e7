"""What the containers are told of the project."""

from __future__ import annotations

import json
from typing import Any

from mlpipes_cli.adapters.docker.stack.settings import port_settings
from mlpipes_cli.adapters.docker.stack.variables import store_keys, variables
from mlpipes_cli.config.project import ProjectConfig


def told(names: tuple[str, ...], **serving: Any) -> dict[str, Any]:
    config = ProjectConfig.model_validate({"project": "people", "serving": serving})
    ports = {one.name: 5000 for one in port_settings(config)}
    keys = store_keys({}, own=False)
    made = variables(config, {}, id="x", ports=ports, hosts="", names=names, keys=keys, auth=False)
    found: dict[str, Any] = json.loads(made["MLPIPES_SERVING"])
    return found


def test_the_api_is_told_the_names_of_the_engines_machine_beside_its_own() -> None:
    assert told(()) == {}
    assert told((), allowed_hosts=["a.example"]) == {"allowed_hosts": ["a.example"]}
    assert told(("build.example",), allowed_hosts=["a.example"], workers=2) == {
        "allowed_hosts": ["a.example", "build.example"],
        "workers": 2,
    }
