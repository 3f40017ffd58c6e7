"""What every runtime promises; a runtime's test subclasses this and gives the settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
from conftest import Cli, Result
from process_help import ended
from stack_help import http, query, services

MakeProject = Callable[..., Path]


class StackContract:
    """Behaviour of up, down, status, logs and env that does not depend on the runtime.

    A subclass sets ``runtime`` and ``core``, the services of a stack in the order in which they are shown.
    """

    runtime: str
    core: tuple[str, ...]

    @classmethod
    def text(cls, project: str = "contract") -> str:
        return f"project: {project}\nruntime: {cls.runtime}\n"

    @pytest.fixture(scope="class")
    @classmethod
    def shared(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
        """One stack for all tests of a runtime, in the project in which this is called."""
        base = tmp_path_factory.mktemp("contract")
        root = base / "project"
        root.mkdir()
        (root / "mlpipes.yaml").write_text(cls.text())
        shared = Cli(base / "home", root)
        yield shared
        shared("down", "--volumes", "--yes").ok()

    @pytest.fixture(scope="class")
    @classmethod
    def first(cls, shared: Cli) -> Result:
        """What the very first ``up`` said."""
        return shared("up", "--json").ok()

    @pytest.fixture
    def cli(self, shared: Cli) -> Cli:
        return shared

    @pytest.fixture
    def root(self, shared: Cli) -> Path:
        return shared.cwd

    @pytest.fixture
    def up(self, cli: Cli, first: Result) -> Result:
        """The stack runs, whatever the test before has done to it."""
        return cli("up", "--json").ok()

    @pytest.fixture
    def fresh(self, make_project: MakeProject, cli: Cli) -> Iterator[Path]:
        """A project of the test's own, which never ran."""
        folder = make_project(self.text("fresh"), "fresh")
        yield folder
        cli("down", "--volumes", "--yes", cwd=folder)

    def alive(self, told: Result) -> dict[str, int]:
        """What tells one run of each service from another: the pid of its main process."""
        rows = told.json["services"]
        assert all(psutil.pid_exists(row["pid"]) for row in rows)
        return {row["name"]: row["pid"] for row in rows}

    def ended(self, before: dict[str, int]) -> bool:
        """Whether none of those runs any more."""
        return all(map(ended, before.values()))

    def test_up_starts_services_that_answer(self, first: Result, up: Result, cli: Cli, root: Path) -> None:
        for told in (first, up):
            assert [row["name"] for row in told.json["services"]] == list(self.core)
            assert {row["state"] for row in told.json["services"]} == {"running"}
            assert {row["health"] for row in told.json["services"]} == {"healthy"}
            assert told.json["runtime"] == self.runtime
        assert len(first.json["changes"]) == len(self.core)
        assert query(cli, root, "select 1") == [(1,)]
        tracking = cli("env", "--json", cwd=root).ok().json["MLFLOW_TRACKING_URI"]
        found = http(f"{tracking}/api/2.0/mlflow/experiments/search", "POST", b'{"max_results": 5}')
        assert json.loads(found)["experiments"][0]["artifact_location"].startswith("mlflow-artifacts:/")

    def test_up_twice_is_one_stack(self, up: Result, cli: Cli, root: Path) -> None:
        again = cli("up", "--json", cwd=root).ok()
        assert again.json["changes"] == []
        assert "nothing was changed" in again.err
        assert self.alive(again) == self.alive(up)

    def test_two_ups_at_once_are_one_stack(self, cli: Cli, fresh: Path) -> None:
        both = [cli.start("up", "--json", cwd=fresh) for _ in range(2)]
        told = [process.communicate(timeout=300) for process in both]
        assert [process.returncode for process in both] == [0, 0], told
        results = [Result(0, out, err) for out, err in told]
        assert self.alive(results[0]) == self.alive(results[1])
        assert sorted(len(one.json["changes"]) for one in results) == [0, len(self.core)]
        assert sum("waiting for it" in err for _, err in told) == 1

    def test_the_database_has_the_schemas_and_a_role_without_power(
        self, up: Result, cli: Cli, root: Path
    ) -> None:
        others = "'^(pg_|information|public)'"
        owners = f"select nspname, pg_get_userbyid(nspowner) from pg_namespace where nspname !~ {others}"
        assert sorted(query(cli, root, owners)) == [
            ("clean_data", "mlpipes"), ("monitoring", "mlpipes"),
            ("pipelines", "mlpipes"), ("raw_data", "mlpipes"), ("serving", "mlpipes"),
        ]  # fmt: skip
        assert query(cli, root, "select rolsuper, rolcreatedb from pg_roles where rolname = 'mlpipes'") == [
            (False, False)
        ]
        assert query(cli, root, "show server_encoding") == [("UTF8",)]
        assert query(cli, root, "show fsync") == [("on",)]
        with pytest.raises(psycopg2.OperationalError, match="permission denied"):
            url = cli("env", "--json", cwd=root).json["MLPIPES_DATABASE_URL"]
            psycopg2.connect(url.removesuffix("mlpipes") + "mlflow")

    def test_no_password_no_entry(self, up: Result, cli: Cli, root: Path) -> None:
        port = services(cli, root)["postgres"]["port"]
        for user in ("postgres", "mlpipes", "mlflow"):
            with pytest.raises(psycopg2.OperationalError, match="no password"):
                psycopg2.connect(host="127.0.0.1", port=port, user=user, dbname="postgres")

    def test_everything_listens_on_the_loopback_only(self, up: Result, cli: Cli, root: Path) -> None:
        wanted = {row["port"] for row in up.json["services"]}
        listening = [c for c in psutil.net_connections("inet") if c.status == "LISTEN"]
        mine = [c.laddr for c in listening if c.laddr.port in wanted]
        assert {address.ip for address in mine} == {"127.0.0.1"}
        assert {address.port for address in mine} == wanted

    def test_data_survives_down_and_up(self, up: Result, cli: Cli, root: Path) -> None:
        query(cli, root, "create table raw_data.kept (n int); insert into raw_data.kept values (7)")
        tracking = cli("env", "--json", cwd=root).json["MLFLOW_TRACKING_URI"]
        artifact = "/api/2.0/mlflow-artifacts/artifacts/0/some/file.txt"
        http(tracking + artifact, "PUT", b"kept")
        made = http(f"{tracking}/api/2.0/mlflow/experiments/create", "POST", b'{"name": "kept"}')
        cli("down", cwd=root).ok()
        cli("up", cwd=root).ok()
        assert query(cli, root, "select n from raw_data.kept") == [(7,)]
        tracking = cli("env", "--json", cwd=root).json["MLFLOW_TRACKING_URI"]
        assert http(tracking + artifact) == b"kept"
        number = json.loads(made)["experiment_id"]
        found = http(f"{tracking}/api/2.0/mlflow/experiments/get?experiment_id={number}")
        assert json.loads(found)["experiment"]["name"] == "kept"

    def test_down_stops_everything_and_may_be_repeated(self, up: Result, cli: Cli, root: Path) -> None:
        before = self.alive(up)
        done = cli("down", "--json", cwd=root).ok()
        assert sorted(done.json["stopped"]) == sorted(self.core)
        assert {row["state"] for row in services(cli, root).values()} == {"stopped"}
        assert self.ended(before)
        assert cli("down", "--json", cwd=root).ok().json["stopped"] == []

    def test_volumes_are_removed_only_when_that_is_certain(self, up: Result, cli: Cli, root: Path) -> None:
        refused = cli("down", "--volumes", cwd=root)
        assert refused.code == 2
        assert "--yes" in refused.err
        assert len(refused.err.strip().splitlines()) == 1
        assert {row["state"] for row in services(cli, root).values()} == {"running"}
        cli("down", "--volumes", "--yes", cwd=root).ok()
        assert not (root / ".mlpipes").exists()
        assert (root / ".env").exists()

    def test_two_projects_do_not_collide(self, cli: Cli, fresh: Path, make_project: MakeProject) -> None:
        other = make_project(self.text("other"), "other")
        both = [cli.start("up", "--json", cwd=folder) for folder in (fresh, other)]
        told = [process.communicate(timeout=300) for process in both]
        try:
            assert [process.returncode for process in both] == [0, 0], told
            rows = [row for out, _ in told for row in json.loads(out)["services"]]
            assert len({row["port"] for row in rows}) == 2 * len(self.core)
            query(cli, fresh, "create table raw_data.mine (n int)")
            assert query(cli, other, "select to_regclass('raw_data.mine')") == [(None,)]
            cli("down", cwd=fresh).ok()
            assert {row["state"] for row in services(cli, other).values()} == {"running"}
        finally:
            cli("down", "--volumes", "--yes", cwd=other)

    def test_secrets_are_shown_only_when_asked(self, first: Result, up: Result, cli: Cli, root: Path) -> None:
        text = (root / ".env").read_text()
        passwords = [line.partition("=")[2] for line in text.splitlines()]
        assert len(set(passwords)) == len(passwords) >= 3
        assert all(len(password) >= 24 for password in passwords)
        quiet = cli("status", cwd=root).ok()
        shown = cli("status", "--show-secrets", cwd=root).ok()
        for password in passwords:
            assert password not in first.out + first.err + up.out + up.err + quiet.out + quiet.err
            assert password in shown.out
        lines = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
        assert not [line for line in lines for password in passwords if password in line]

    def test_logs_are_shown_and_an_unknown_service_is_named(self, up: Result, cli: Cli, root: Path) -> None:
        whole = cli("logs", "postgres", cwd=root).ok().out.splitlines()
        assert any("ready to accept connections" in line for line in whole)
        assert cli("logs", "postgres", "--tail", "1", cwd=root).ok().out.splitlines() == whole[-1:]
        wrong = cli("logs", "postgers", cwd=root)
        assert wrong.code == 2
        assert "postgers" in wrong.err
        assert ", ".join(self.core) in wrong.err

    def test_one_service_is_restarted_and_the_others_are_left(self, up: Result, cli: Cli, root: Path) -> None:
        before = self.alive(up)
        cli("restart", "mlflow", cwd=root).ok()
        after = self.alive(cli("status", "--json", cwd=root).ok())
        assert {name for name in self.core if before[name] != after[name]} == {"mlflow"}
        assert {row["state"] for row in services(cli, root).values()} == {"running"}

    def test_one_service_is_stopped_and_started_by_itself(self, up: Result, cli: Cli, root: Path) -> None:
        query(cli, root, "create table if not exists raw_data.stays as select 7 as n")
        before = self.alive(up)
        stopped = cli("stop", "postgres", "--json", cwd=root).ok()
        assert stopped.json["service"]["state"] == "stopped"
        assert (stopped.json["changed"], stopped.json["dependents"]) == (True, ["mlflow"])
        assert stopped.err == "warning: mlflow needs postgres: requests to it may fail\n"
        assert psutil.pid_exists(before["mlflow"])
        rows = services(cli, root)
        assert (rows["postgres"]["state"], rows["postgres"]["health"]) == ("stopped", "none")
        assert rows["mlflow"]["state"] != "stopped"
        again = cli("stop", "postgres", "--json", cwd=root).ok()
        assert (again.json["changed"], again.out.count("stopped")) == (False, 1)
        assert cli("stop", "mlflow", cwd=root).ok().out == "stopped: mlflow\n"
        started = cli("start", "mlflow", cwd=root).ok()  # and the database, without which it is nothing
        assert started.out == f"mlflow answers at {services(cli, root)['mlflow']['url']}\n"
        assert [line.split(":")[0] for line in started.err.splitlines()] == ["postgres", "mlflow"]
        assert query(cli, root, "select n from raw_data.stays") == [(7,)]
        cli("stop", "mlflow", cwd=root).ok()
        assert [change.split(":")[0] for change in cli("up", "--json", cwd=root).ok().json["changes"]] == [
            "mlflow"
        ]
        assert {row["state"] for row in services(cli, root).values()} == {"running"}
        alive = self.alive(cli("status", "--json", cwd=root).ok())
        assert cli("start", "mlflow", cwd=root).ok().err == ""
        assert self.alive(cli("status", "--json", cwd=root).ok()) == alive

    def test_stop_and_start_of_what_there_is_not(self, cli: Cli, fresh: Path) -> None:
        for command in ("stop", "start", "shell"):
            wrong = cli(command, "postgers", cwd=fresh)
            assert wrong.code == 2
            assert "no service 'postgers'" in wrong.err and ", ".join(self.core) in wrong.err
        assert cli("stop", "postgres", cwd=fresh).ok().out == "postgres did not run\n"
        early = cli("start", "postgres", cwd=fresh)
        assert (early.code, early.err) == (1, "error: there is no stack yet; make it with `mlpipes up`\n")

    def test_before_up_clients_are_told_what_to_do(self, cli: Cli, fresh: Path) -> None:
        refused = cli("env", cwd=fresh)
        assert refused.code == 1
        assert refused.out == ""
        assert "mlpipes up" in refused.err
        assert {row["state"] for row in services(cli, fresh).values()} == {"stopped"}
        assert not (fresh / ".mlpipes").exists()
