"""An experiment's Ray cluster: its address, its versions, and the environments of its nodes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.config.executor import RayExecutor
from mlpipes_cli.errors import ConfigError, MlpipesError
from mlpipes_cli.lifecycle.training.recording.source_code import code_of
from mlpipes_cli.local_files import private_files
from mlpipes_cli.ports.environments import Environments, EnvironmentSpec
from mlpipes_cli.trainers.pinned_environments import base, carried

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.training.plan import Experiment
    from mlpipes_cli.lifecycle.training.spec import Candidate
    from mlpipes_cli.ports.environments import BuiltEnvironment

_VERSION = "2.60.0"  # the version of Ray with which a cluster's own version is read
_PATIENCE = 10.0  # seconds to connect
_ANSWER = 300.0  # seconds that Ray itself may take to identify itself
_OURS = f"{sys.version_info[0]}.{sys.version_info[1]}"


@dataclass(frozen=True)
class RayCluster:
    """A Ray cluster that answered.

    Attributes:
        address: The address as Ray takes it.
        python: An interpreter of this machine that has Ray at the cluster's version.
        folders: Folders that are searched for the user's modules.
    """

    address: str
    python: Path
    folders: tuple[str, ...]

    @property
    def command(self) -> list[str]:
        """The command of the worker host whose jobs run there."""
        return _command(self.python, "ray_host", self.address)

    def environment(self, candidate: Candidate, built: BuiltEnvironment | None) -> dict[str, Any]:
        """Return a node's environment for a candidate, in the exact versions that would train it here."""
        if built is not None:
            return {"python": built.version, "requirements": list(built.pins)}
        from mlpipes_cli.worker import requirements

        own = carried(candidate.trainer)
        named = _names([*base(), *(own.requirements if own else ())])
        named += code_of(candidate.spec, self.folders).packages
        pins = requirements.locked((), named, base=())
        return {"python": _OURS, "requirements": pins}


def find(experiment: Experiment, environments: Environments, log: Path) -> RayCluster | None:
    """Return the cluster of an experiment; None if it is trained here.

    Raises:
        ConfigError: There is no address.
        MlpipesError: No cluster answers there, or the environment to connect to it cannot be built.
    """
    executor = experiment.config.executor
    if executor is None:
        return None
    address = executor.ray or os.environ.get("RAY_ADDRESS")
    if not address:
        text = "ray needs an address: use {ray: HOST:PORT}, or set RAY_ADDRESS"
        raise ConfigError([experiment.source.problem(("executor",), text)])
    _knock(address)
    python = _python_with(executor.version or _VERSION, _OURS, address, environments, log)
    reply = _ask(python, address, log)
    if "error" in reply:
        hint = f"its log is {log}; if the versions differ, set `version:` next to `ray:`"
        raise MlpipesError(f"the Ray cluster at {address} cannot be used: {reply['error']}", hint)
    _agrees(executor, reply, experiment)
    version, minor = str(reply["ray"]), ".".join(str(reply["python"]).split(".")[:2])
    python = _python_with(version, minor, address, environments, log)
    return RayCluster(address, python, experiment.folders)


def _knock(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        hint = "start it with `ray start --head`, or set another address with `executor: {ray: HOST:PORT}`"
        raise MlpipesError(f"no Ray cluster answers at {address}: {why}", hint) from None


def _python_with(version: str, python: str, address: str, environments: Environments, log: Path) -> Path:
    extra = "[client]" if address.startswith("ray://") else ""
    spec = EnvironmentSpec(python, (f"ray{extra}=={version}",), purpose=f"Ray {version}")
    private_files.folder(log.parent)
    return environments.ensure(spec, log).python


def _ask(python: Path, address: str, log: Path) -> dict[str, Any]:
    command = _command(python, "ray_probe", address)
    with log.open("ab") as errors:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_plain(os.environ),
                timeout=_ANSWER,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"it did not respond within {_ANSWER:.0f} s"}
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        return {"error": f"Ray's client exited with code {done.returncode}"}


def _agrees(executor: RayExecutor, reply: Mapping[str, Any], experiment: Experiment) -> None:
    if executor.version and executor.version != reply["ray"]:
        text = f"{executor.version} is not the cluster's version, {reply['ray']}; remove the setting"
        raise ConfigError([experiment.source.problem(("executor", "version"), text)])


def _command(python: Path, module: str, address: str) -> list[str]:
    from mlpipes_cli.child_process import entry

    return [str(python), entry.__file__, f"mlpipes_cli.clusters.{module}", address]


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    aside = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in environ.items() if name not in aside}


def _names(requirements: Sequence[str]) -> list[str]:
    from packaging.requirements import Requirement

    return [Requirement(text).name for text in requirements]
