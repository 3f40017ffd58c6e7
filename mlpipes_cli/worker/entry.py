"""Runs a module of this package in an interpreter that has nothing of ours installed.

``python entry.py MODULE ARGUMENT...`` makes the package that this file stands in importable, and nothing
else of its folder, and runs ``MODULE`` as a program. What the module needs beyond the standard library is
for the interpreter's own environment to have. It has to be readable by Python 3.10.
"""

import importlib.util
import runpy
import sys
from pathlib import Path


def introduce(package: Path) -> None:
    """Let ``import NAME`` find the package in this folder, wherever it lies."""
    name = package.name
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        name, package / "__init__.py", submodule_search_locations=[str(package)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    here = Path(__file__).resolve()
    folder = str(here.parent)
    sys.path[:] = [entry for entry in sys.path if entry != folder]
    introduce(here.parent.parent)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
