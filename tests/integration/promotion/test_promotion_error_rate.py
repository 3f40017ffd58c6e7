"""The simulation in small: the naive rule must err often in it, the shipped test must not."""

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "benchmarks" / "promotion"


@pytest.fixture(scope="module")
def simulation(request):
    path, modules = list(sys.path), set(sys.modules)
    spec = importlib.util.spec_from_file_location("promotion_simulation", FOLDER / "simulate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name in ("promotion_simulation", "scenarios"):
            del sys.modules[name]


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("metric", "shape"),
    [
        ("ks", "flat against rule"),
        ("log_loss", "alike"),
        pytest.param("ks", "alike", marks=SLOW),
        pytest.param("roc_auc", "alike", marks=SLOW),
        pytest.param("accuracy", "alike", marks=SLOW),
        pytest.param("rmse", "numbers", marks=SLOW),
    ],
)
def test_no_better_challengers_are_rarely_promoted(simulation, metric, shape):
    scenario = simulation.Scenario(metric, shape, 200, 0.2, repetitions=150, resamples=200)
    found = simulation.simulate(scenario, seed=1)
    for candidates, naive_at_least in ((1, 0.3), (5, 0.6), (20, 0.8)):
        assert found.naive[candidates] > naive_at_least * found.repetitions
        # 16 of 150 has a chance below 1 in 300 where the rate is 5 %; the naive rule has over 45
        assert found.tested[candidates] < 16


def test_without_the_correction_for_the_number_of_candidates_the_rate_is_missed(simulation):
    """The best of 20, tested as if it had been the only one: what the correction is for."""
    scenario = simulation.Scenario("log_loss", "alike", 200, 0.2, repetitions=100, resamples=200)
    random = simulation.np.random.default_rng(2)
    wrong = 0
    for _ in range(scenario.repetitions):
        models = scenario.models(random)
        noise = simulation.resample(models[0], models[1:], "log_loss", 200, 1)
        best = int(noise.differences.argmax())
        alone = simulation.resample(models[0], [models[1 + best]], "log_loss", 200, 1)
        wrong += simulation.decide(alone, 0, "log_loss", models[0]).better
    assert wrong > 15


def test_a_real_improvement_is_found(simulation):
    scenario = simulation.Scenario("ks", "alike", 1000, 0.2, 0.8, 0.2, repetitions=20, resamples=200)
    found = simulation.simulate(scenario, seed=3)
    assert all(found.tested[k] >= 18 for k in simulation.CANDIDATES)
