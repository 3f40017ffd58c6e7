"""Choosing a runtime, restart, logs since a moment, open."""

from __future__ import annotations

import http.client
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from stack_help import services
from waiting import until

from mlpipes_cli.lifecycle.psql import command
from mlpipes_cli.project import find_project

if TYPE_CHECKING:
    from integration.embedded.conftest import Stack

pytestmark = pytest.mark.slow


def test_what_cannot_be_chosen_is_refused_with_the_way_out(fresh: Stack) -> None:
    unknown = fresh.cli("up", "--runtime", "dokcer", cwd=fresh.root)
    assert "did you mean 'docker'?" in unknown.err
    nowhere = fresh.cli("up", "--runtime", "remote", cwd=fresh.root)
    assert "stack -> mlflow -> url: is missing" in nowhere.err
    extra = fresh.cli("up", "--with", "jupyter", cwd=fresh.root)
    assert "--runtime docker" in extra.err
    near = fresh.cli("up", "--with", "jupiter", cwd=fresh.root)
    assert "did you mean 'jupyter'?" in near.err
    assert [one.code for one in (unknown, nowhere, extra, near)] == [2, 2, 2, 2]
    for one in (unknown, extra, near):
        assert len(one.err.strip().splitlines()) == 1
    assert not (fresh.state / "postgres").exists()


def test_a_project_with_data_stays_on_its_runtime_until_it_is_carried_over(stack: Stack) -> None:
    """One of the last release, which remembered no choice, too."""
    file, text = stack.root / "mlpipes.yaml", (stack.root / "mlpipes.yaml").read_text()
    file.write_text(text.replace("embedded", "docker"))
    try:
        for choices in ('{"runtime": "embedded"}', None):
            path = stack.state / "choices.json"
            path.unlink(missing_ok=True) if choices is None else path.write_text(choices)
            for option in ([], ["--runtime", "docker"]):
                refused = stack.cli("up", *option, cwd=stack.root)
                assert refused.code == 2
                assert len(refused.err.splitlines()) == 1
                assert "this project's data is in the embedded runtime" in refused.err
                assert "`mlpipes migrate --to docker`" in refused.err
            status = stack.cli("status", "--json", cwd=stack.root).ok().json
            assert status["runtime"] == "embedded"
            assert {row["state"] for row in status["services"]} == {"running"}
    finally:
        file.write_text(text)
    file.write_text(text.replace("embedded", "auto"))
    try:
        said = stack.cli("up", cwd=stack.root).ok().err
        assert "runtime embedded, chosen by `auto`: this project's data is there" in said
    finally:
        file.write_text(text)


def test_restart_of_each_service_keeps_the_others(stack: Stack) -> None:
    before = stack.pids()
    assert "postgres answers at" in stack.cli("restart", "postgres", cwd=stack.root).ok().out
    between = stack.pids()
    assert between["mlflow"] == before["mlflow"]
    assert between["postgres"] != before["postgres"]
    restarted = stack.cli("restart", "mlflow", "--json", cwd=stack.root).ok().json
    assert restarted["health"] == "healthy"
    assert stack.pids() == {"postgres": between["postgres"], "mlflow": restarted["pid"]}
    wrong = stack.cli("restart", "mlfow", cwd=stack.root)
    assert wrong.code == 2
    assert "did you mean 'mlflow'?" in wrong.err


def test_the_logs_of_all_services_carry_their_names(stack: Stack) -> None:
    found = stack.cli("logs", "--tail", "3", cwd=stack.root).ok().out.splitlines()
    assert [line.split(" | ")[0] for line in found] == ["postgres"] * 3 + ["mlflow  "] * 3
    alone = stack.cli("logs", "postgres", "--tail", "3", cwd=stack.root).ok().out.splitlines()
    assert [line.removeprefix("postgres | ") for line in found[:3]] == alone
    assert stack.cli("logs", "postgres", "mlfow", cwd=stack.root).code == 2


def test_all_logs_are_followed_over_a_restart(stack: Stack) -> None:
    following = stack.cli.start("logs", "-f", "--tail", "1", cwd=stack.root)
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(iter(following.stdout.readline, "")))  # type: ignore[union-attr]
    reader.start()
    try:
        until(lambda: {line.split()[0] for line in seen} == {"postgres", "mlflow"})
        stack.cli("restart", "postgres", cwd=stack.root).ok()
        until(lambda: any(line.startswith("postgres | ") and "ready to accept" in line for line in seen))
        assert following.poll() is None
    finally:
        following.send_signal(signal.SIGINT)
        following.wait(60)
        reader.join(30)


def test_a_stack_of_processes_is_listed_and_stopped_from_anywhere(stack: Stack, tmp_path: Path) -> None:
    rows = {row["id"]: row for row in stack.cli("projects", "--json", cwd=tmp_path).ok().json}
    own = rows[str(stack.root)]
    assert (own["runtime"], own["state"], own["services"]) == ("embedded", "running", ["mlflow", "postgres"])
    stack.cli("projects", "--stop", stack.root, cwd=tmp_path).ok()
    assert {row["state"] for row in services(stack.cli, stack.root).values()} == {"stopped"}
    assert str(stack.root) not in {
        row["id"] for row in stack.cli("projects", "--json", cwd=tmp_path).ok().json
    }
    stack.cli("up", cwd=stack.root).ok()


def test_restart_without_a_service_is_all_of_them(stack: Stack) -> None:
    before = stack.pids()
    stack.cli("restart", cwd=stack.root).ok()
    after = stack.pids()
    assert after.keys() == before.keys() and not set(after.values()) & set(before.values())


def test_psql_is_asked_as_it_is_and_gets_no_password_on_its_command_line(stack: Stack) -> None:
    query = "select current_database(), 1 + 1"
    found = stack.cli("psql", "-A", "-t", "-c", query, cwd=stack.root).ok()
    assert found.out == "mlpipes|2\n"
    password = stack.cli("status", "--show-secrets", "--json", cwd=stack.root).ok().json
    secret = password["secrets"]["MLPIPES_DB_PASSWORD"]
    words, environment = command(find_project(stack.root), ["-c", query])
    assert environment["PGPASSWORD"] == secret and not any(secret in word for word in words)
    broken = stack.cli("psql", "-c", "select nothing from nowhere", cwd=stack.root)
    assert broken.code == 1 and 'relation "nowhere" does not exist' in broken.err


def test_logs_since_a_moment(stack: Stack) -> None:
    moment = datetime.now(UTC).isoformat()
    assert stack.cli("logs", "mlflow", "--since", "1h", cwd=stack.root).ok().out
    stack.cli("restart", "postgres", cwd=stack.root).ok()
    since = stack.cli("logs", "postgres", "--since", moment, cwd=stack.root).ok().out
    whole = stack.cli("logs", "postgres", cwd=stack.root).ok().out
    assert "ready to accept connections" in since
    assert len(since) < len(whole)
    assert whole.endswith(since)
    assert stack.cli("logs", "postgres", "--since", "2h", cwd=stack.root).ok().out == whole
    wrong = stack.cli("logs", "postgres", "--since", "yesterday", cwd=stack.root)
    assert wrong.code == 2
    assert "'yesterday' is not a valid time" in wrong.err


@pytest.mark.parametrize("name, status", [("evil.example", 403), ("localhost", 200)])
def test_mlflow_is_guarded_against_pages_that_call_it_by_another_name(
    stack: Stack, name: str, status: int
) -> None:
    rows = stack.cli("status", "--json", cwd=stack.root).ok().json["services"]
    port = next(row["port"] for row in rows if row["name"] == "mlflow")
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    link.request("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", headers={"Host": f"{name}:{port}"})
    assert link.getresponse().status == status
    link.close()


def test_open_prints_where_a_service_is_looked_at(stack: Stack) -> None:
    rows = stack.cli("status", "--json", cwd=stack.root).ok().json["services"]
    url = next(row["url"] for row in rows if row["name"] == "mlflow")
    assert stack.cli("open", "mlflow", "--print", cwd=stack.root).ok().out == f"{url}\n"
    none = stack.cli("open", "postgres", "--print", cwd=stack.root)
    assert none.code == 2
    assert "no page for a browser" in none.err
    without = stack.cli(
        "open", "mlflow", cwd=stack.root, env=stack.cli.environment | {"BROWSER": "", "PATH": ""}
    )
    assert without.ok().out == f"{url}\n"
    assert "no browser found here" in without.err
