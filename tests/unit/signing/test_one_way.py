"""From the registry to a model's files leads one way, and it goes through the check of their signature."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import mlpipes_cli

PACKAGE = Path(mlpipes_cli.__file__).parent
# Who may call what fetches a model's files, or loads them.
ALLOWED = {
    # the second looks, and loads nothing
    "source.fetch": {"signing/vault.py", "lifecycle/trust/project_vault.py"},
    "source.fetch_logged": {"signing/vault.py"},
    # a run's files, to read and to copy; the source
    "download_artifacts": {"adapters/mlflow/registry.py", "adapters/mlflow/run_copies.py",
                           "adapters/mlflow/model_source.py"},
    "load_model": {"lifecycle/serving/local_model.py", "server/models/loader.py", "model_process/server.py",
                   "trainers/models/keras_model.py"},
    "cloudpickle.load": {"server/models/loader.py", "model_process/server.py"},
    "pickle.load": set(),
    "joblib.load": set(),
}  # fmt: skip


def calls(path: Path) -> Iterator[str]:
    """What is called in a module, with the words before the dots."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def test_nobody_else_fetches_or_loads_a_model() -> None:
    found: dict[str, set[str]] = {name: set() for name in ALLOWED}
    for path in PACKAGE.rglob("*.py"):
        for call in calls(path):
            for name in ALLOWED:
                if call == name or call.endswith(f".{name}"):
                    found[name].add(path.relative_to(PACKAGE).as_posix())
    assert found == ALLOWED
