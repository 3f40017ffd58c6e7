"""For which estimators `preprocess: auto` leaves scaling out."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn import ensemble, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from mlpipes_cli.trainers.sklearn.tree_models import only_trees

FOREST, LINE = ensemble.RandomForestClassifier(), LogisticRegression()


class Mine(ensemble.RandomForestClassifier):
    pass


@pytest.mark.parametrize(
    "estimator",
    [
        FOREST,
        Mine(),
        tree.DecisionTreeRegressor(),
        ensemble.RandomForestRegressor(),
        ensemble.GradientBoostingClassifier(),
        ensemble.GradientBoostingRegressor(init=tree.DecisionTreeRegressor()),
        ensemble.HistGradientBoostingClassifier(),
        ensemble.BaggingClassifier(),
        ensemble.AdaBoostClassifier(FOREST),
        ensemble.VotingClassifier([("a", FOREST), ("b", tree.DecisionTreeClassifier())]),
        ensemble.StackingClassifier([("a", FOREST)]),
        ensemble.StackingClassifier([("a", FOREST)], LINE),
        ensemble.StackingClassifier([("a", FOREST)], FOREST, passthrough=True),
        CalibratedClassifierCV(FOREST),
        OneVsRestClassifier(FOREST),
        GridSearchCV(FOREST, {}),
    ],
    ids=str,
)
def test_trees_alone(estimator: Any) -> None:
    assert only_trees(estimator)


@pytest.mark.parametrize(
    "estimator",
    [
        LINE,
        KNeighborsClassifier(),
        ensemble.ExtraTreesClassifier(),
        tree.ExtraTreeRegressor(),
        tree.DecisionTreeClassifier(splitter="random"),
        ensemble.GradientBoostingClassifier(init=LINE),
        ensemble.BaggingClassifier(LINE),
        ensemble.VotingClassifier([("a", FOREST), ("b", LINE)]),
        ensemble.StackingClassifier([("a", FOREST)], passthrough=True),
        ensemble.StackingClassifier([("a", FOREST)], LINE, passthrough=True),
        CalibratedClassifierCV(),
        make_pipeline(FOREST),
        pytest.param(object(), id="no estimator"),
    ],
    ids=str,
)
def test_others(estimator: Any) -> None:
    assert not only_trees(estimator)
