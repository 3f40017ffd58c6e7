"""Runs a module of this package in an interpreter that does not have mlpipes installed.

``python entry.py MODULE ARGUMENT...`` makes this package importable, and no other file of the folder that it
is installed in, and runs ``MODULE`` as a program. The interpreter's own environment has to provide what the
module needs beyond the standard library. This file has to be readable by Python 3.10.
"""

import importlib.util
import runpy
import sys
from pathlib import Path


def introduce(package: Path) -> None:
    """Let ``import NAME`` find the package in this folder, wherever the folder is."""
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
