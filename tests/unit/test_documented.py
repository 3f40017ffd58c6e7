"""The pages on training: their files are files, their tables name what there is, their folders are read."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import documented
import pandas as pd
import pytest
from PIL import Image
from pydantic import BaseModel

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.runs import Resources
from mlpipes_cli.config.search import Search
from mlpipes_cli.config.yaml_source import YamlSource, parse_yaml
from mlpipes_cli.data.origins import sources
from mlpipes_cli.data.prepare import prepare
from mlpipes_cli.trainers.h2o_automl.settings import H2OAutoMLParams
from mlpipes_cli.trainers.keras.settings import KerasParams
from mlpipes_cli.trainers.pycaret.settings import PycaretParams
from mlpipes_cli.trainers.torch.settings import TorchParams


def read(data: Data, base: Path, source: YamlSource) -> pd.DataFrame:
    return sources.load(data, base, source, database_url=None, environ={})


TAKEN = {  # where a group's runs are fitted by the real library
    "sklearn": "test_trainers.py",
    "python": "test_trainers.py",
    "boosting": "boosting_program.py",
    "h2o_automl": "test_h2o_automl.py",
    "pycaret": "inside/pycaret_inside.py",
    "spark": "inside/spark_inside.py",
    "keras": "inside/network_contract.py",
    "torch": "inside/network_contract.py",
}
NOT_IN_THE_TABLE = {"torch": {"module"}, "keras": {"function"}}  # they have their own paragraph


def test_every_documented_run_is_fitted_somewhere() -> None:
    shown = [example for example in documented.examples() if example.shows_runs]
    found = Counter(
        documented.group(documented.as_job(run)) for example in shown for run in example.config.runs
    )
    assert set(found) == set(TAKEN)
    assert sum(found.values()) == sum(len(documented.runs(group)) for group in TAKEN)
    for group, file in TAKEN.items():
        text = (documented.ROOT / "tests" / "contracts" / file).read_text()
        assert "documented.runs(" in text, group


@pytest.mark.parametrize(
    ("page", "model"),
    [
        ("h2o_automl", H2OAutoMLParams),
        ("pycaret", PycaretParams),
        ("keras", KerasParams),
        ("torch", TorchParams),
        ("search", Search),
        ("executors", Resources),
    ],
)
def test_a_table_of_params_names_those_that_there_are(page: str, model: type[BaseModel]) -> None:
    (file,) = (path for path in documented.PAGES if page in (path.stem, path.parent.name))
    text = file.read_text()
    table = text[re.search(r"^\| (param|key) \|", text, re.M).start() :].partition("\n\n")[0]  # type: ignore[union-attr]
    named = {name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert named | NOT_IN_THE_TABLE.get(page, set()) == set(model.model_fields)


def test_the_documented_images_are_read(tmp_path: Path) -> None:
    shown = [example for example in documented.examples() if "images.md" in example.place]
    assert len(shown) == 2
    folder = tmp_path / "data" / "characters"
    folder.mkdir(parents=True)
    for number in range(20):
        Image.new("L", (4, 4), number).save(folder / f"{'AB'[number % 2]}_{number:03d}.png")
    rows = [
        (f"characters/{path.name}", at % 3, "yn"[at % 2]) for at, path in enumerate(sorted(folder.iterdir()))
    ]
    pd.DataFrame(rows, columns=["picture", "size", "kind"]).to_csv(tmp_path / "data" / "rows.csv")
    for example, images in zip(shown, ("image", "picture"), strict=True):
        data, source = example.config.data, parse_yaml("data: {}\n", example.place)
        prepared = prepare(read(data, tmp_path, source), data, source)
        assert prepared.images == (images,)
        assert len(prepared.frame) == 20
