"""Which trainers there are, and what is said of one that another package brings wrongly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from mlpipes_cli import trainer_registry
from mlpipes_cli.config.any_run import settings_of
from mlpipes_cli.config.experiment import load_experiment
from mlpipes_cli.config.runs import Environment, Run
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.lifecycle.training.environments import of_run
from mlpipes_cli.trainer_registry import BrokenTrainer
from mlpipes_cli.trainers.pinned_environments import carried

BARE = "from mlpipes_cli.trainer_registry import TrainerDefinition\nDEFINITION = TrainerDefinition('a:B')\n"
EXPERIMENT = """\
experiment: e
data: {source: a.csv, target: y}
runs:
  - {name: one, trainer: theirs, depth: 3}
"""


@pytest.fixture(autouse=True)
def looked_again() -> Iterator[None]:
    trainer_registry.clear()
    yield
    trainer_registry.clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Installs a package with the trainer `theirs`; its module is told apart by its name."""

    def install(
        module: str, text: str, point: str, origin: dict[str, Any] | None = None, requires: str = ""
    ) -> Path:
        described = tmp_path / "their_package-1.5.dist-info"
        described.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: their-package\nVersion: 1.5\n{requires}"
        (described / "METADATA").write_text(metadata)
        (described / "entry_points.txt").write_text(f"[{trainer_registry.GROUP}]\ntheirs = {point}\n")
        if origin is not None:
            (described / "direct_url.json").write_text(json.dumps(origin))
        (tmp_path / module).mkdir()
        (tmp_path / module / "definition.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        trainer_registry.clear()
        return tmp_path / module

    return install


def problems(folder: Path, run: str = "depth: 3") -> list[str]:
    (folder / "experiment.yaml").write_text(EXPERIMENT.replace("depth: 3", run))
    with pytest.raises(ConfigError) as error:
        load_experiment(folder / "experiment.yaml", "experiment.yaml")
    return error.value.lines()


@pytest.mark.parametrize("name", trainer_registry.built_in())
def test_the_folder_of_one_of_ours_is_whole(name: str) -> None:
    found = trainer_registry.find(name)
    assert found is not None and found.folder is not None
    assert {"__init__.py", "settings.py", "trainer.py", "guide.md"} <= {
        path.name for path in found.folder.iterdir()
    }
    assert get_args(settings_of(found).model_fields["trainer"].annotation) == (name,)
    assert found.definition.summary
    assert found.definition.disk > 0
    assert callable(trainer_registry.load(found.definition.trainer))
    if found.definition.source_check:
        assert callable(trainer_registry.load(found.definition.source_check))


def test_no_folder_of_the_trainers_has_more_than_twenty_files() -> None:
    folder = Path(trainer_registry.__file__).parent / "trainers"
    places = [folder, *(path for path in folder.rglob("*") if path.is_dir() and path.name != "__pycache__")]
    counts = {place.name: sum(path.is_file() for path in place.iterdir()) for place in places}
    assert len(counts) > 10
    assert {name: count for name, count in counts.items() if count > 20} == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import no_such_library\nDEFINITION = 1\n",
            "the trainer 'theirs' of the package 'their-package' cannot be imported: "
            "ModuleNotFoundError: No module named 'no_such_library'",
        ),
        (
            "from mlpipes_cli.trainer_registry import TrainerDefinition\n"
            "DEFINITION = TrainerDefinition('nowhere:Nothing', settings='no_settings:Theirs')\n",
            "the trainer 'theirs' of the package 'their-package' cannot be imported: "
            "ModuleNotFoundError: No module named 'no_settings'",
        ),
        (
            "from mlpipes_cli.trainer_registry import TrainerDefinition\n"
            "DEFINITION = TrainerDefinition('nowhere:Nothing', settings='pathlib:Path')\n",
            "the settings of the trainer 'theirs', pathlib:Path, are not a subclass of "
            "mlpipes_cli.config.runs.Run",
        ),
    ],
    ids=["definition", "settings", "not a run"],
)
def test_a_trainer_that_cannot_be_used_is_told_in_the_file(
    package: Callable[..., Path], tmp_path: Path, text: str, said: str, request: pytest.FixtureRequest
) -> None:
    module = f"theirs_{request.node.callspec.id.replace(' ', '_')}"
    package(module, text, f"{module}.definition:DEFINITION")
    assert problems(tmp_path) == [f"experiment.yaml:4: runs -> 0: {said}"]


@pytest.mark.parametrize(
    ("origin", "requirement"),
    [
        (None, "their-package==1.5"),
        ({"url": "file:///a/b.whl", "archive_info": {}}, "their-package @ file:///a/b.whl"),
        ({"url": "file:///a", "dir_info": {"editable": True}}, "their-package @ file:///a"),
        (
            {
                "url": "https://example.org/a.git",
                "vcs_info": {"vcs": "git", "commit_id": "0f1e"},
                "subdirectory": "b",
            },
            "their-package @ git+https://example.org/a.git@0f1e#subdirectory=b",
        ),
    ],
    ids=["index", "wheel", "folder", "repository"],
)
def test_its_environment_has_its_lock_and_the_package_itself(
    package: Callable[..., Path],
    tmp_path: Path,
    origin: dict[str, Any] | None,
    requirement: str,
    request: pytest.FixtureRequest,
) -> None:
    module = f"theirs_from_{request.node.callspec.id}"
    folder = package(module, BARE, f"{module}.definition:DEFINITION", origin)
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    run: Run = load_experiment(tmp_path / "experiment.yaml")[0].runs[0]
    assert run.model_dump()["depth"] == 3  # without settings the trainer checks what stands there
    assert of_run(run) is None
    asked = of_run(run.model_copy(update={"environment": Environment(requirements=("x",))}))
    assert asked is not None and asked.requirements[-2:] == (requirement, "x")
    (folder / "environment.in").write_text("# python: 3.12\nsome>=2  # why\n")
    (folder / "environment.lock").write_text("some==2.1\n")
    own, spec = carried("theirs"), of_run(run)
    assert own is not None and spec is not None
    assert (own.python, own.requirements, own.lock) == ("3.12", (requirement, "some>=2"), ("some==2.1",))
    assert (spec.python, spec.constraints) == ("3.12", ("some==2.1",))
    assert spec.requirements[-2:] == (requirement, "some>=2")


SETTINGS = """
from typing import Literal
from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError
from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.runs import Run
from mlpipes_cli.trainer_registry import TrainerDefinition

class Inner(Strict):
    rate: float = Field(default=0.1, description="How fast.")

class Theirs(Run):
    trainer: Literal["theirs"] = Field(description="Theirs.")
    depth: int = Field(description="How deep.")
    inner: tuple[Inner, ...] = Field(default=(), description="Parts.")

    @field_validator("depth")
    @classmethod
    def _odd(cls, value):
        if value % 2 == 0:
            raise PydanticCustomError("even", "{value} is even", {"value": value})
        return value

    @model_validator(mode="after")
    def _deep(self):
        if self.depth > 7:
            raise ValueError("too deep")
        return self

DEFINITION = TrainerDefinition("a:B", settings=f"{__name__}:Theirs")
"""


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("depth: 4", "runs -> 0 -> depth: 4 is even"),
        ("depth: 9", "runs -> 0: too deep"),
        ("depth: x", "runs -> 0 -> depth: input should be a valid integer, unable to parse string as an"),
        ("detph: 3", "runs -> 0 -> detph: unknown key; did you mean 'depth'?"),
        (
            "depth: 3, inner: [{}, {rte: 1}]",
            "runs -> 0 -> inner -> 1 -> rte: unknown key; did you mean 'rate'?",
        ),
        ("depth: 3, resources: {cup: 1}", "runs -> 0 -> resources -> cup: unknown key; did you mean 'cpu'?"),
    ],
)
def test_whatever_its_settings_say_is_told_with_a_line(
    package: Callable[..., Path], tmp_path: Path, run: str, said: str, request: pytest.FixtureRequest
) -> None:
    module = f"theirs_say_{abs(hash(request.node.callspec.id))}"
    package(module, SETTINGS, f"{module}.definition:DEFINITION")
    assert any(line.startswith(f"experiment.yaml:4: {said}") for line in problems(tmp_path, run))


def test_a_package_that_requires_mlpipes_fits_into_no_other_environment(
    package: Callable[..., Path], tmp_path: Path
) -> None:
    requires = 'Requires-Dist: mlpipes>=1; extra == "dev"\nRequires-Dist: MLpipes\n'
    folder = package("theirs_with_us", BARE, "theirs_with_us.definition:DEFINITION", requires=requires)
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    run = load_experiment(tmp_path / "experiment.yaml")[0].runs[0]
    assert of_run(run) is None  # in our own it is no matter
    (folder / "environment.in").write_text("# python: 3.12\n")
    with pytest.raises(BrokenTrainer) as error:
        of_run(run)
    (line,) = error.value.lines()
    assert line.startswith("the package 'their-package' of the trainer 'theirs' requires mlpipes, which ")
    assert "remove mlpipes from the package's `dependencies`" in line


def test_the_first_line_of_its_requirements_names_a_python(package: Callable[..., Path]) -> None:
    folder = package("theirs_without", BARE, "theirs_without.definition:DEFINITION")
    (folder / "environment.in").write_text("some>=2\n")
    with pytest.raises(BrokenTrainer) as error:
        carried("theirs")
    where = f"{folder / 'environment.in'}:1"
    assert error.value.lines() == [
        f"{where}: the first line must be like `# python: 3.11` or `# python: our own`"
    ]
