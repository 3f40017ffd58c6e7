from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mlpipes_cli.config.experiment import load_experiment
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.lifecycle.training.checks import check_metrics, check_runs, check_weights

HEAD = "experiment: e\ndata: {source: 'sklearn:iris', target: target}\nruns:\n"
LOGISTIC = "sklearn.linear_model.LogisticRegression"


def check(folder: Path, runs: str) -> list[int]:
    path = folder / "experiment.yaml"
    path.write_text(HEAD + textwrap.indent(textwrap.dedent(runs), "  "))
    config, source = load_experiment(path, "experiment.yaml")
    return check_runs(config, source, [str(folder)])


@pytest.mark.parametrize(
    ("run", "line", "text"),
    [
        (f"- {{name: a, trainer: sklearn, estimator: {LOGISTIC}x}}", 4, "did you mean 'LogisticRegression'?"),
        (
            f"- name: a\n  trainer: sklearn\n  estimator: {LOGISTIC}\n  params:\n    Cc: 1\n",
            8,
            "runs -> 0 -> params -> Cc: LogisticRegression does not accept 'Cc'; did you mean 'C'?",
        ),
        (
            f"- name: a\n  trainer: sklearn\n  estimator: {LOGISTIC}\n  search:\n    max_itr: [1, 2]\n",
            8,
            "runs -> 0 -> search -> max_itr: LogisticRegression does not accept 'max_itr'; "
            "did you mean 'max_iter'?",
        ),
        (
            f"- name: a\n  trainer: sklearn\n  estimator: {LOGISTIC}\n"
            "  search:\n    folds: 3\n    space:\n      CC: [1]\n",
            10,
            "runs -> 0 -> search -> space -> CC",
        ),
        (
            "- name: a\n  trainer: sklearn\n  estimator: sklearn.ensemble.BaggingClassifier\n  params:\n"
            "    estimator: {estimator: sklearn.tree.DecisionTreClassifier}\n",
            8,
            "params -> estimator -> estimator: no 'DecisionTreClassifier'",
        ),
        (
            "- name: a\n  trainer: sklearn\n  estimator: sklearn.ensemble.VotingClassifier\n  params:\n"
            "    estimators:\n    - [one, {estimator: sklearn.svm.SVC, params: {gama: 1}}]\n",
            9,
            "SVC does not accept 'gama'; did you mean 'gamma'?",
        ),
        (
            "- {name: a, trainer: sklearn, estimator: sklearn.ensemble.VotingClassifier}",
            4,
            "needs 'estimators'",
        ),
        ("- {name: a, trainer: python, function: 'mine:trian'}", 4, "did you mean 'train'?"),
        (
            "- {name: a, trainer: python, function: 'mine:train', params: {depht: 1}}",
            4,
            "did you mean 'depth'?",
        ),
        ("- {name: a, trainer: python, function: 'mine:train'}", 4, "mine:train needs 'depth'"),
        (
            "- name: a\n  trainer: python\n  function: 'mine:train'\n  search:\n"
            "    depth: [1]\n    sed: [1]\n",
            9,
            "runs -> 0 -> search -> sed: mine:train does not accept 'sed'; did you mean 'seed'?",
        ),
        ("- {name: a, trainer: python, function: 'mine:short'}", 4, "(X, y, ...)"),
        ("- {name: a, trainer: python, function: 'none_of_ours:train'}", 4, "no module named 'none_of_ours'"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, run: str, line: int, text: str) -> None:
    (tmp_path / "mine.py").write_text("def train(X, y, depth, *, seed): ...\ndef short(X): ...\n")
    with pytest.raises(ConfigError) as caught:
        check(tmp_path, run)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"experiment.yaml:{line}: ")
    assert text in caught.value.problems[0]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    runs = f"""
    - {{name: a, trainer: sklearn, estimator: {LOGISTIC}, params: {{Cc: 1, solvr: x}}}}
    - {{name: b, trainer: sklearn, estimator: sklearn.svm.SVCC}}
    """
    with pytest.raises(ConfigError) as caught:
        check(tmp_path, runs)
    assert len(caught.value.problems) == 3


def test_what_is_right_passes_and_what_is_unclear_is_left_to_an_import(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from sklearn.pipeline import make_pipeline\npipe = make_pipeline()\n"
        "def train(X, y, **anything): ...\ndef build(width): ...\n"
    )
    runs = f"""
    - {{name: a, trainer: sklearn, estimator: {LOGISTIC}, params: {{C: 1}}, search: {{max_iter: [5]}}}}
    - {{name: b, trainer: sklearn, estimator: mine.pipe}}
    - {{name: c, trainer: sklearn, estimator: mine.build, params: {{width: 3}}}}
    - {{name: d, trainer: python, function: 'mine:train', params: {{x: 3}}}}
    - {{name: e, trainer: sklearn, estimator: sklearn.ensemble.BaggingClassifier, params: {{a__b: 3}}}}
    - {{name: f, trainer: sklearn, estimator: mine.build, params: {{width: 3}}, search: {{svc__C: [1]}}}}
    """
    assert check(tmp_path, runs) == [1, 4, 5]


def test_the_metric_has_to_fit_the_target(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(HEAD + f"- {{name: a, trainer: sklearn, estimator: {LOGISTIC}}}\nmetric: ks\n")
    config, source = load_experiment(path, "experiment.yaml")
    assert check_metrics(config, source, "binary") == "ks"
    with pytest.raises(
        ConfigError,
        match=r"experiment.yaml:5: metric: 'ks' does not apply to a multiclass target; use 'ks_macro'",
    ):
        check_metrics(config, source, "multiclass")
    with pytest.raises(ConfigError, match="regression target"):
        check_metrics(config, source, "regression")


def test_a_mistake_is_answered_without_heavy_imports(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text(
        HEAD + f"- {{name: a, trainer: sklearn, estimator: {LOGISTIC}s}}\n"
    )
    program = (
        "import sys\nfrom mlpipes_cli.cli.app import run\n"
        "code = run(['train', 'experiment.yaml'])\n"
        "heavy = ('mlflow', 'pandas', 'sklearn', 'numpy', 'scipy', 'docker', 'pyarrow', 'matplotlib')\n"
        "print(code, [name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.strip() == "2 []"
    assert "did you mean 'LogisticRegression'?" in done.stderr


NEIGHBOURS = "{trainer: sklearn, estimator: sklearn.neighbors.KNeighborsClassifier}"
WAY_OUT = "leave the run out, or set `weights: false` under `data:`"


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ("{trainer: sklearn, estimator: sklearn.linear_model.LogisticRegression}", None),
        ("{trainer: sklearn, estimator: sklearn.pipeline.Pipeline, params: {steps: []}}", None),
        ("{trainer: sklearn, estimator: mine.Own}", None),
        (
            "{trainer: sklearn, estimator: mine.Plain}",
            f"Plain does not support weights (`fit` has no sample_weight); {WAY_OUT}",
        ),
        (
            NEIGHBOURS,
            f"KNeighborsClassifier does not support weights (`fit` has no sample_weight); {WAY_OUT}",
        ),
        (
            "{trainer: sklearn, estimator: sklearn.neural_network.MLPRegressor}",
            None,  # scikit-learn's networks take weights
        ),
        ("{trainer: python, function: mine:weighing}", None),
        (
            "{trainer: python, function: mine:plain}",
            f"mine:plain has no parameter `sample_weight` for the weights; {WAY_OUT}",
        ),
        ("{trainer: pycaret}", f"the trainer pycaret does not support weights; {WAY_OUT}"),
        ("{trainer: h2o_automl}", None),
        ("{trainer: spark, estimator: logistic_regression}", None),
    ],
)
def test_a_run_without_weights_is_named_before_training(tmp_path: Path, run: str, told: str | None) -> None:
    (tmp_path / "mine.py").write_text(
        "from sklearn.linear_model import LogisticRegression\n"
        "class Own(LogisticRegression):\n    pass\n"
        "class Plain(LogisticRegression):\n    def fit(self, X, y):\n        return super().fit(X, y)\n"
        "def weighing(X, y, sample_weight):\n    pass\n"
        "def plain(X, y):\n    pass\n"
    )
    path = tmp_path / "experiment.yaml"
    path.write_text(f"{HEAD}  - {{name: other, trainer: sklearn, estimator: {LOGISTIC}}}\n")
    path.write_text(f"{path.read_text()}  - {{name: it, {run[1:]}\n")
    config, source = load_experiment(path, "experiment.yaml")
    if told is None:
        check_weights(config, source, (), [str(tmp_path)])
        return
    with pytest.raises(ConfigError) as caught:
        check_weights(config, source, (), [str(tmp_path)])
    assert caught.value.lines() == [f"experiment.yaml:5: runs -> 1 -> trainer: it: {told}"]
    check_weights(config, source, ("other",), [str(tmp_path)])
