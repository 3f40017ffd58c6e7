"""What uv says, in one line."""

from __future__ import annotations

from pathlib import Path

from mlpipes_cli.adapters.environments import hashes
from mlpipes_cli.adapters.environments.uv import explain
from mlpipes_cli.ports.environments import EnvironmentSpec, of_model

HERE = Path("/cache/environments")
CONFLICT = """\
warning: something else
error: No solution found when resolving dependencies
  cause: Because a==1 depends on b<2 and you require a==1, we can conclude that you require b<2.
         And because you require b>=2, we can conclude that your requirements are unsatisfiable.
"""
NO_NETWORK = """\
error: Request failed after 3 retries in 6.8s
  cause: Failed to fetch: https://user:secret@index.example/simple/numpy/
  cause: error sending request for url (https://user:secret@index.example/simple/numpy/)
  cause: dns error
  cause: failed to lookup address information: Name or service not known
"""


def test_the_resolvers_words_stay() -> None:
    reason, _ = explain(CONFLICT, HERE, 1)
    assert reason == (
        "No solution found when resolving dependencies; Because a==1 depends on b<2 and you require a==1, "
        "we can conclude that you require b<2. And because you require b>=2, we can conclude that your "
        "requirements are unsatisfiable."
    )


def test_long_words_are_cut_and_passwords_are_not_told() -> None:
    said = "error: " + "word https://me:secret@index.example/x " * 100
    reason, _ = explain(said, HERE, 1)
    assert len(reason) < 800
    assert "see the log for the rest" in reason
    assert "secret" not in reason


def test_no_network_names_the_host_and_a_way_out() -> None:
    reason, hint = explain(NO_NETWORK, HERE, 2)
    assert reason.startswith("index.example cannot be reached (")
    assert "PIP_INDEX_URL" in hint
    assert "secret" not in reason


def test_a_full_disk_is_told_as_such() -> None:
    reason, hint = explain("error: failed to write: No space left on device (os error 28)", HERE, 2)
    assert reason == "/cache/environments: the disk is full"
    assert "mlpipes environments prune" in hint


def test_nothing_said_is_told_too() -> None:
    assert explain("", HERE, -9)[0] == "uv exited with code -9 without a message"


def test_pins_have_one_form() -> None:
    lines = [
        "# made by",
        "torch==2.13.0+cpu",
        "b==1 ; sys_platform == 'linux'",
        "a==2  # via b",
        "--find-links x",
        "",
    ]
    assert hashes.pins(lines) == ("a==2", "b==1 ; sys_platform == 'linux'", "torch==2.13.0")


def test_hashes_tell_apart_what_differs() -> None:
    one = EnvironmentSpec("3.11", ("a", "b"))
    others = [
        EnvironmentSpec("3.12", ("a", "b")),
        EnvironmentSpec("3.11", ("a",), constraints=("b",)),
        EnvironmentSpec("3.11", ("a", "b"), preferences=("a==1",)),
    ]
    assert len({hashes.of_request(spec) for spec in [one, *others]}) == 4
    assert hashes.of_request(EnvironmentSpec("3.11", ("a", "b"), purpose="other")) == hashes.of_request(one)
    assert hashes.of_environment("3.11", ["a==1"]) != hashes.of_environment("3.12", ["a==1"])


def test_a_model_leads_to_its_environment() -> None:
    kept = {
        "environment": {"hash": "x", "python": "3.11", "requirements": ["a==1", "b==2"]},
        "task": "binary",
    }
    spec = of_model(kept, "m")
    assert spec is not None
    assert (spec.python, spec.lock, spec.purpose) == ("3.11", ("a==1", "b==2"), "model m")
    assert of_model({"task": "binary"}) is None
    assert of_model(None) is None
