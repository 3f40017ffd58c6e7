"""Names of values that few rows hold are left out of a result."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from mlpipes_cli.json_values import jsonable
from mlpipes_cli.lifecycle.monitoring.privacy import without_rare
from mlpipes_cli.monitoring.compare import compare
from mlpipes_cli.monitoring.results import Options


@pytest.mark.parametrize(("rows", "named"), [(3, False), (40, True)])
def test_a_level_that_the_reference_lacks_is_named_from_five_rows_on(rows: int, named: bool) -> None:
    random = np.random.default_rng(0)
    reference = pd.DataFrame({"city": random.choice(["Köln", "Rome's"], 400)})
    current = pd.DataFrame({"city": [*random.choice(["Köln", "Rome's"], 100 - rows), *["Ms O'Hara"] * rows]})
    found = compare(reference, current, Options(joint=False))
    assert "Ms O'Hara" in json.dumps(jsonable(found))
    kept = json.dumps(jsonable(without_rare(found)))
    assert ("Ms O'Hara" in kept) is named
    assert "Rome's" in kept and ("(rare)" in kept) is not named


def test_a_word_of_few_texts_is_not_named() -> None:
    words = [f"claim number {n} about a broken window in the house at the corner" for n in range(300)]
    current = [f"claim number {n} of Annabella about a door in the house at the corner" for n in range(60)]
    found = compare(pd.DataFrame({"text": words}), pd.DataFrame({"text": current}), Options(joint=False))
    assert found.columns[0].kind == "text"
    few = [*[text.replace("Annabella", "Bruno") for text in current[:57]], *current[57:]]
    rare = compare(pd.DataFrame({"text": words}), pd.DataFrame({"text": few}), Options(joint=False))
    assert "annabella" not in json.dumps(jsonable(without_rare(rare))).lower()
