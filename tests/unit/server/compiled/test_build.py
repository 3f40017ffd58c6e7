from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import compiled_help
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mlpipes_cli.preprocess import auto, blocks, scaling
from mlpipes_cli.preprocess.transformer import AutoPreprocessor
from mlpipes_cli.server.compiled import compile_model, guards, steps, trees
from mlpipes_cli.server.models.served_model import InputColumn

FRAME = compiled_help.frame()
COLUMNS = compiled_help.columns(FRAME)
NOTES = compiled_help.details("int")
NUMBERS = compiled_help.numbers()
NUMERIC = compiled_help.columns(NUMBERS)


class Mine(GradientBoostingClassifier):
    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(X) / 2


class MyPipeline(Pipeline):
    pass


def test_a_subclass_is_not_taken_for_its_base() -> None:
    assert compile_model(compiled_help.bare(Mine(n_estimators=3), "int"), NUMERIC, NOTES) is None
    assert compile_model(compiled_help.trained(Mine(n_estimators=3), "int"), COLUMNS, NOTES) is None
    model = compiled_help.trained(LogisticRegression(), "int")
    assert compile_model(MyPipeline(model.steps), COLUMNS, NOTES) is None


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        VotingClassifier([("a", LogisticRegression())]),
        CalibratedClassifierCV(LogisticRegression(), cv=2),
        GradientBoostingClassifier(init=LogisticRegression(), n_estimators=3),
    ],
    ids=lambda model: type(model).__name__,
)
def test_what_is_not_known_is_left_to_the_plain_path(model: Any) -> None:
    assert compile_model(compiled_help.bare(model, "int"), NUMERIC, NOTES) is None


def test_several_targets_are_left_to_the_plain_path() -> None:
    y = compiled_help.target("int")
    both = [[a, b] for a, b in zip(y, y[::-1], strict=True)]
    for model in (
        RandomForestClassifier(3),
        DecisionTreeClassifier(),
        LinearRegression(),
        MultiOutputClassifier(DecisionTreeClassifier()),
    ):
        assert compile_model(model.fit(NUMBERS, both), NUMERIC, NOTES) is None


@pytest.mark.parametrize("model", [None, object(), "x", LogisticRegression(), Pipeline([("a", None)])])
@pytest.mark.parametrize("columns", [(), COLUMNS, NUMERIC, [InputColumn("a", "binary", True)]])
def test_it_never_raises(model: Any, columns: Any) -> None:
    assert compile_model(model, columns, NOTES) is None
    assert compile_model(model, columns, {}) is None


def test_columns_in_another_order_are_not_taken_by_an_estimator_alone() -> None:
    model = compiled_help.bare(LogisticRegression(), "int")
    assert compile_model(model, NUMERIC, NOTES) is not None
    assert compile_model(model, NUMERIC[::-1], NOTES) is None
    assert compile_model(model, NUMERIC[:2], NOTES) is None
    assert compile_model(model, [*NUMERIC, InputColumn("d", "datetime", True)], NOTES) is None


def test_parts_of_scikit_learn_that_are_gone_leave_the_plain_path(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.ensemble import _gradient_boosting

    model = compiled_help.trained(GradientBoostingClassifier(n_estimators=3), "int")
    monkeypatch.delattr(_gradient_boosting, "predict_stages")
    assert compile_model(model, COLUMNS, NOTES) is None
    assert trees.boosting  # what was imported before is not what is asked


def test_preprocessing_by_value_is_told_from_that_of_another_release() -> None:
    ours = compiled_help.trained(LogisticRegression(), "int")[0]
    assert type(ours) is not AutoPreprocessor
    assert guards.same_method(type(ours), AutoPreprocessor)
    changed = compiled_help.trained(LogisticRegression(), "int")
    step = changed[0]
    scaler = type(step.blocks_[0].scaler)
    scaler.transform = _other_code(scaler.transform)
    assert compile_model(changed, COLUMNS, NOTES) is None


def test_words_of_another_release_do_not_count() -> None:
    model = compiled_help.trained(LogisticRegression(), "int")
    step, block = type(model[0]), type(model[0].blocks_[0])
    for kind, name in ((step, "_check_columns"), (step, "transform"), (block, "transform")):
        reworded(getattr(kind, name))
    scope = block._read.__globals__
    reworded(scope["read_numbers"])
    assert scope["read_numbers"].__code__ != blocks.read_numbers.__code__
    assert compile_model(model, COLUMNS, NOTES) is not None
    check = step._check_columns.__code__
    step._check_columns.__code__ = check.replace(co_names=(*check.co_names[:-1], "another"))
    assert compile_model(model, COLUMNS, NOTES) is None


def reworded(function: Any) -> None:
    """Give a function another docstring, and the texts of a check other words."""
    code, doc = function.__code__, function.__doc__
    texts = [f"{one} then" if isinstance(one, str) else one for one in code.co_consts]
    first = ["another text", *code.co_consts[1:]] if doc is not None else list(code.co_consts)
    function.__code__ = code.replace(co_consts=tuple(texts if function.__name__ in guards.WORDS else first))
    if doc is not None:
        function.__doc__ = "another text"


def test_a_constant_of_another_value_counts_too() -> None:
    model = compiled_help.trained(LogisticRegression(), "int")
    scope = type(model[0].blocks_[0].scaler).transform.__globals__
    assert scope is not vars(blocks)
    scope["_LARGEST_OUTPUT"] = 1e5
    assert compile_model(model, COLUMNS, NOTES) is None


def test_helpers_of_other_code_count_too() -> None:
    model = compiled_help.trained(LogisticRegression(), "int")
    kinds = {type(block).__name__: type(block) for block in model[0].blocks_}
    scope = kinds["OneHot"].transform.__globals__
    scope["read_labels"] = _other_code(scope["read_labels"])
    assert compile_model(model, COLUMNS, NOTES) is None


def test_only_what_answers_counts() -> None:
    class Fitted(AutoPreprocessor):
        def fit(self, X: Any, y: Any = None) -> Any:
            return self

    class Checked(AutoPreprocessor):
        def _check_columns(self, frame: Any) -> None: ...

    for kind in (Fitted, Checked):
        kind.__module__ = AutoPreprocessor.__module__
    assert guards.same_method(Fitted, AutoPreprocessor)
    assert not guards.same_method(Checked, AutoPreprocessor)
    assert not guards.same_method(scaling.Bounded, scaling.Scaler)
    assert not guards.same_method(scaling.Scaler, scaling.Unscaled)


@pytest.mark.parametrize("estimator", [LogisticRegression(), GradientBoostingClassifier(n_estimators=3)])
def test_a_model_of_a_release_that_knew_no_bounds_is_loaded_and_compiled(estimator: Any) -> None:
    """Its blocks were fitted by other code, with the plain Scaler."""
    X, y = compiled_help.frame(), compiled_help.target("int")
    text = Path(blocks.__file__).read_text().replace("(Bounded() if self.scale else Unscaled())", "Scaler()")
    former: Any = types.ModuleType(blocks.__name__)
    exec(
        compile(text.replace("import Bounded, Unscaled", "import Scaler"), blocks.__file__, "exec"),
        vars(former),
    )
    step = auto.build(X, "binary").fit(X, y)
    for at, block in enumerate(step.blocks_):
        if hasattr(block, "scaler"):
            step.blocks_[at] = getattr(former, type(block).__name__)(block.columns)
            step.blocks_[at].fit_transform(X, y)
            assert type(step.blocks_[at].scaler) is scaling.Scaler
    last = clone(estimator).fit(step.transform(X), y)
    model = compiled_help.loaded(Pipeline([("preprocess", step), ("model", last)]))
    assert compile_model(model, COLUMNS, NOTES) is not None
    rows = compiled_help.rows(compiled_help.changed())
    plain = model[0].transform(compiled_help.changed()).to_numpy()
    assert steps.compile_step(model[0], COLUMNS)(rows).tobytes() == plain.tobytes()


def _other_code(function: Any) -> Any:
    def other(*arguments: Any) -> Any:
        return function(*arguments)

    return other
