from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.utils import all_estimators

from mlpipes_cli.trainers.source_code.signatures import CallSignature, Unresolved, resolve
from mlpipes_cli.trainers.source_code.sources import Finder

ESTIMATORS = sorted(
    {f"{'.'.join(kind.__module__.split('.')[:2])}.{name}": kind for name, kind in all_estimators()}.items()
)


def module(folder: Path, name: str, text: str) -> None:
    path = folder / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def finder(tmp_path: Path) -> Finder:
    return Finder([str(tmp_path)])


def test_every_estimator_of_scikit_learn_has_the_signature_that_python_sees() -> None:
    finder, compared = Finder(), 0
    for path, kind in ESTIMATORS:
        owner, name = path.rsplit(".", 1)
        if not hasattr(sys.modules[owner], name):
            assert isinstance(resolve(path, finder), Unresolved), path
            continue
        found = resolve(path, finder)
        assert isinstance(found, CallSignature), path
        real = (
            []
            if kind.__init__ is object.__init__
            else list(inspect.signature(kind.__init__).parameters.values())[1:]
        )
        named = [p for p in real if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        assert found.parameters == tuple(p.name for p in named), path
        assert set(found.required) == {p.name for p in named if p.default is p.empty}, path
        compared += 1
    assert compared > 150


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("sklearn.linear_model.LogisticRegresion", "did you mean 'LogisticRegression'?"),
        ("sklearn.linear_modl.LogisticRegression", "did you mean 'linear_model'?"),
        ("sklern.linear_model.LogisticRegression", "did you mean 'sklearn'?"),
        ("nowhere_at_all.Model", "no module named 'nowhere_at_all'"),
        ("nowhere_at_all.Model", "give the run `environment: {requirements: [nowhere_at_all]}`"),
        ("sklearn.svm", "is a module"),
        ("my_module:trian", "did you mean 'train'?"),
        ("broken:train", "broken.py:1"),
    ],
)
def test_a_wrong_path_is_told_with_what_may_have_been_meant(
    path: str, text: str, finder: Finder, tmp_path: Path
) -> None:
    module(tmp_path, "my_module", "def train(X, y): ...\n")
    module(tmp_path, "broken", "def train(X, y:\n")
    found = resolve(path, finder)
    assert isinstance(found, Unresolved)
    assert text in found.text


def test_re_exports_bases_in_other_modules_and_conditional_definitions(
    finder: Finder, tmp_path: Path
) -> None:
    module(tmp_path, "pack/__init__", "from ._inner import Child as Renamed\nfrom ._inner import *\n")
    module(
        tmp_path,
        "pack/_inner",
        "from . import _base\n"
        "class Child(_base.Base):\n    pass\n"
        "try:\n    import missing_thing\nexcept ImportError:\n    pass\n"
        "if True:\n    def make(*, depth, width=1, **rest): ...\n",
    )
    module(tmp_path, "pack/_base", "class Base:\n    def __init__(self, size, *, deep=2): ...\n")
    assert resolve("pack.Renamed", finder) == CallSignature("class", ("size", "deep"), ("size",))
    assert resolve("pack.Child", finder) == CallSignature("class", ("size", "deep"), ("size",))
    assert resolve("pack:make", finder) == CallSignature("function", ("depth", "width"), ("depth",), True)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("def __getattr__(name): ...\n", "odd.Anything"),
        ("from math import sqrt\n", "odd.sqrt"),
        ("from dataclasses import dataclass\n@dataclass\nclass Model:\n    size: int\n", "odd.Model"),
        ("class Model(make_base()):\n    pass\n", "odd.Model"),
        ("import functools\n@functools.cache\ndef build(): ...\n", "odd.build"),
        ("class Outer:\n    class Inner: ...\n", "odd.Outer.Inner"),
    ],
)
def test_what_only_an_import_can_tell_is_left_open(
    text: str, path: str, finder: Finder, tmp_path: Path
) -> None:
    module(tmp_path, "odd", text)
    assert resolve(path, finder) is None


def test_a_ready_made_object_is_known_as_such(finder: Finder, tmp_path: Path) -> None:
    module(tmp_path, "mine", "from sklearn.pipeline import make_pipeline\npipeline = make_pipeline()\n")
    assert resolve("mine.pipeline", finder) == CallSignature("object")


def test_the_users_module_beside_the_file_comes_first_and_nothing_is_run(
    finder: Finder, tmp_path: Path
) -> None:
    module(
        tmp_path,
        "json",
        f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\ndef train(X, y): ...\n",
    )
    assert resolve("json:train", finder) == CallSignature("function", ("X", "y"), ("X", "y"))
    assert not (tmp_path / "ran").exists()


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys\n"
        "from mlpipes_cli.trainers.source_code.signatures import resolve\n"
        "from mlpipes_cli.trainers.source_code.sources import Finder\n"
        "assert resolve('sklearn.ensemble.RandomForestClassifier', Finder()).parameters\n"
        "print([name for name in ('sklearn', 'numpy', 'pandas', 'scipy') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
