from __future__ import annotations

from typing import Any

import compiled_help
import numpy as np
import pytest
from sklearn import ensemble, linear_model, neighbors, svm, tree

from mlpipes_cli.server.compiled import CompiledScores, Sample, check, compile_model

CLASSIFIERS = [
    ensemble.GradientBoostingClassifier(n_estimators=15),
    ensemble.GradientBoostingClassifier(n_estimators=5, init="zero"),
    ensemble.HistGradientBoostingClassifier(max_iter=15),
    ensemble.RandomForestClassifier(15, random_state=0),
    ensemble.RandomForestClassifier(4, max_depth=2, random_state=0),
    ensemble.ExtraTreesClassifier(15, random_state=0),
    tree.DecisionTreeClassifier(random_state=0),
    tree.ExtraTreeClassifier(max_depth=3, random_state=0),
    linear_model.LogisticRegression(C=0.1),
    linear_model.LogisticRegressionCV(Cs=2, cv=2),
    linear_model.RidgeClassifier(),
    linear_model.Perceptron(random_state=0),
    linear_model.SGDClassifier(random_state=0),
    svm.LinearSVC(random_state=0),
]
BINARY = [
    ensemble.GradientBoostingClassifier(n_estimators=5, loss="exponential"),
    linear_model.SGDClassifier(loss="log_loss", random_state=0),
]
REGRESSORS = [
    ensemble.GradientBoostingRegressor(n_estimators=15),
    ensemble.GradientBoostingRegressor(n_estimators=5, loss="huber"),
    ensemble.HistGradientBoostingRegressor(max_iter=15),
    ensemble.RandomForestRegressor(15, random_state=0),
    ensemble.ExtraTreesRegressor(15, random_state=0),
    tree.DecisionTreeRegressor(random_state=0),
    tree.ExtraTreeRegressor(max_depth=3, random_state=0),
    linear_model.LinearRegression(),
    linear_model.Ridge(),
    linear_model.Lasso(),
    linear_model.ElasticNet(),
    svm.LinearSVR(random_state=0, loss="squared_epsilon_insensitive"),
]
ASKED = [svm.SVC(), neighbors.KNeighborsClassifier(), linear_model.SGDClassifier(loss="modified_huber")]
CASES = [
    *((kind, estimator) for kind in ("int", "text", "bool", "many") for estimator in CLASSIFIERS),
    *((kind, estimator) for kind in ("int", "text", "bool") for estimator in BINARY),
    *(("number", estimator) for estimator in REGRESSORS),
]
pytestmark = pytest.mark.filterwarnings("ignore")


def _name(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__


@pytest.mark.parametrize(("kind", "estimator"), [*CASES, *(("text", other) for other in ASKED)], ids=_name)
def test_behind_the_preprocessing_answers_are_the_pipelines_own(kind: str, estimator: Any) -> None:
    frame, notes = compiled_help.frame(), compiled_help.details(kind)
    model, columns = compiled_help.trained(estimator, kind), compiled_help.columns(frame)
    before = compiled_help.plain(model, frame, notes)
    compiled = compile_model(model, columns, notes)
    assert compiled is not None
    for data in (frame, compiled_help.changed()):
        given, wanted = compiled_help.rows(data), compiled_help.plain(model, data, notes)
        _same(compiled(given), wanted)
        for at, row in enumerate(given[:40]):
            scores = None if wanted.scores is None else wanted.scores[at : at + 1]
            _same(compiled([row]), CompiledScores(wanted.predictions[at : at + 1], scores))
    assert compiled_help.plain(model, frame, notes) == before
    assert check(compiled, model, Sample(frame), columns, notes) is None


@pytest.mark.parametrize(("kind", "estimator"), CASES, ids=_name)
def test_an_estimator_alone_answers_or_refuses_as_itself(kind: str, estimator: Any) -> None:
    frame, notes = compiled_help.numbers(), compiled_help.details(kind, positive=0)
    model, columns = compiled_help.bare(estimator, kind), compiled_help.columns(frame)
    compiled = compile_model(model, columns, notes)
    assert compiled is not None
    _same(compiled(compiled_help.rows(frame)), compiled_help.plain(model, frame, notes))
    for value in (np.nan, np.inf, 1e39, -0.0, 1e300):
        odd = frame.head(3).assign(steps=[0.0, value, 1.0])
        try:
            wanted = compiled_help.plain(model, odd, notes)
        except ValueError:
            with pytest.raises(ValueError, match=r"do(es)? not accept missing"):
                compiled(compiled_help.rows(odd))
        else:
            _same(compiled(compiled_help.rows(odd)), wanted)
    assert check(compiled, model, Sample(frame), columns, notes) is None


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 400])
@pytest.mark.parametrize("kind", ["text", "many", "number"])
def test_any_number_of_rows_goes_the_same_way(kind: str, rows: int) -> None:
    estimators = {"number": ensemble.RandomForestRegressor(9, random_state=1)}
    model = compiled_help.trained(
        estimators.get(kind, ensemble.RandomForestClassifier(9, random_state=1)), kind
    )
    frame, notes = compiled_help.frame().head(rows), compiled_help.details(kind)
    compiled = compile_model(model, compiled_help.columns(frame), notes)
    assert compiled is not None
    assert compiled(compiled_help.rows(frame)) == compiled_help.plain(model, frame, notes)


def test_forests_that_met_gaps_in_training_answer_gaps() -> None:
    frame = compiled_help.numbers().assign(huge=compiled_help.frame()["amount"])
    model = ensemble.RandomForestClassifier(9, random_state=0).fit(frame, compiled_help.target("many"))
    columns, notes = compiled_help.columns(frame), compiled_help.details("many")
    compiled = compile_model(model, columns, notes)
    assert compiled is not None
    for data in (frame, frame.head(5)):
        assert data["huge"].isna().any()
        assert compiled(compiled_help.rows(data)) == compiled_help.plain(model, data, notes)


def test_a_forest_is_in_memory_once_and_may_be_compiled_twice() -> None:
    model = compiled_help.trained(ensemble.RandomForestClassifier(9, random_state=0), "text")
    frame, notes = compiled_help.frame(), compiled_help.details("text")
    columns, before = compiled_help.columns(frame), model.predict_proba(frame)
    first, second = compile_model(model, columns, notes), compile_model(model, columns, notes)
    assert first is not None and second is not None
    trees = [member.tree_ for member in model[-1].estimators_]
    assert len({id(one.table) for one in trees}) == 1
    assert np.array_equal(model.predict_proba(frame), before)
    given = compiled_help.rows(frame)
    assert first(given) == second(given)


def test_an_array_does_for_columns_of_numbers() -> None:
    frame, notes = compiled_help.numbers().astype("float64"), compiled_help.details("int")
    model = ensemble.GradientBoostingClassifier(n_estimators=5).fit(frame, compiled_help.target("int"))
    compiled = compile_model(model, compiled_help.columns(frame), notes)
    assert compiled is not None
    values = frame.to_numpy()
    assert compiled(values) == compiled(compiled_help.rows(frame))  # type: ignore[arg-type]
    assert np.array_equal(values, frame.to_numpy())


def _same(found: Any, wanted: Any) -> None:
    if wanted.predictions and isinstance(wanted.predictions[0], float):
        np.testing.assert_allclose(found.predictions, wanted.predictions, rtol=1e-12, atol=1e-12)
    else:
        assert found.predictions == wanted.predictions
        assert {type(label) for label in found.predictions} == {type(label) for label in wanted.predictions}
    assert (found.scores is None) == (wanted.scores is None)
    if wanted.scores is not None:
        np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-12, atol=1e-12)
