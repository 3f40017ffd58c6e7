"""Backup and restore of a running embedded stack: whole, or nothing has happened."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from carrying_help import difference, environment, error, fill, forged, manifest, picture, predict, storage
from conftest import MINIMAL, Cli
from reporter_help import Told
from stack_help import query, services
from waiting import until

from mlpipes_cli.adapters import wiring
from mlpipes_cli.adapters.dump.databases import PostgresDatabases
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.secrets import model_key
from mlpipes_cli.lifecycle.transfer.archive_reader import check
from mlpipes_cli.lifecycle.transfer.replace import replace
from mlpipes_cli.lifecycle.transfer.restore_journal import RestoreJournal
from mlpipes_cli.ports.dumps import Databases, Loading

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Filled:
    """A stack with content, its backup, and what it looked like then."""

    root: Path
    cli: Cli
    backup: Path
    seen: dict[str, Any]
    run: str


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    base = tmp_path_factory.mktemp("carrying")
    root = base / "project"
    root.mkdir()
    (root / "mlpipes.yaml").write_text(MINIMAL)
    cli = Cli(base / "home", root)
    try:
        cli("up").ok()
        run = fill(environment(cli, root), base / "content", files=40)
        cli("backup", base / "b.tar").ok()
        yield Filled(root, cli, base / "b.tar", picture(root), run)
    finally:
        cli("down", "--volumes", "--yes").ok()


@pytest.fixture
def filled(home: Filled) -> Iterator[Filled]:
    """The stack as its backup has it."""
    home.cli("up").ok()
    if difference(picture(home.root), home.seen):
        home.cli("restore", home.backup, "--yes").ok()
    yield home


def change(filled: Filled) -> dict[str, Any]:
    """Other content: more, less, and one artifact that is another one."""
    from mlflow import MlflowClient

    there = environment(filled.cli, filled.root)
    client = MlflowClient(there["MLFLOW_TRACKING_URI"])
    client.delete_run(filled.run)
    client.delete_registered_model("credit")
    run = client.create_run("0").info.run_id
    client.log_text(run, "new", "new.txt")
    client.log_text(filled.run, "another content", "kept/deep/0000 ü.bin")
    predict(there["MLPIPES_DATABASE_URL"], 7)
    seen = picture(filled.root)
    assert len(difference(seen, filled.seen)) > 8
    return seen


def test_a_backup_says_what_it_holds(filled: Filled, tmp_path: Path) -> None:
    done = filled.cli("backup", tmp_path / "x.tar.gz", "--json").ok()
    assert done.json["content"] == {
        "runs": 2, "models": 1, "versions": 2, "aliases": 2, "predictions": 50, "loads": 0,
        "data set versions": 0, "data rows": 20, "checks": 0, "alerts": 0, "retrainings": 0
    }  # fmt: skip
    assert done.json["artifacts"] == 80
    assert done.json["missing"] == []
    assert "2 runs, 1 model, 2 versions, 2 aliases, 50 predictions, 20 data rows, 80 artifacts" in done.err
    assert (tmp_path / "x.tar.gz").stat().st_size == done.json["size"] < filled.backup.stat().st_size
    said = manifest(tmp_path / "x.tar.gz")
    assert said["runtime"] == "embedded"
    assert said["revision"]
    assert difference(picture(filled.root), filled.seen) == []


def test_a_restore_brings_everything_back(filled: Filled) -> None:
    change(filled)
    done = filled.cli("restore", filled.backup, "--yes", "--json").ok()
    assert done.json["content"]["runs"] == 2
    assert difference(picture(filled.root), filled.seen) == []
    assert {name: one["state"] for name, one in services(filled.cli, filled.root).items()} == {
        "postgres": "running", "mlflow": "running"
    }  # fmt: skip


def test_an_empty_stack_takes_it_without_a_question(
    filled: Filled, make_project: Callable[..., Path], cli: Cli
) -> None:
    from mlflow import MlflowClient

    other = make_project(name="other")
    try:
        done = cli("restore", filled.backup, cwd=other).ok()  # which starts it too
        theirs, ours = (model_key(root).id for root in (filled.root, other))
        assert manifest(filled.backup)["model_key"] == theirs != ours
        (said,) = [line for line in done.err.splitlines() if "signed with the key" in line]
        assert f"key {theirs}, and this project's is {ours}, so they will not be loaded" in said
        assert "MLPIPES_MODEL_KEY" in said and "`mlpipes models trust --all`" in said
        assert difference(picture(other), filled.seen) == []
        client = MlflowClient(environment(cli, other)["MLFLOW_TRACKING_URI"])
        assert client.get_model_version_by_alias("credit", "production").run_id == filled.run
        text = Path(client.download_artifacts(filled.run, "kept/deep/0003 ü.bin", str(other)))
        assert text.read_bytes() == b"\3" * 1003
        run = client.create_run("0").info.run_id  # sequences and rights are whole
        client.log_text(run, "x", "x.txt")
    finally:
        cli("down", "--volumes", "--yes", cwd=other).ok()


def test_a_used_stack_needs_a_yes(filled: Filled) -> None:
    before = change(filled)
    pids = {name: one["pid"] for name, one in services(filled.cli, filled.root).items()}
    refused = filled.cli("restore", filled.backup)
    assert refused.code == 2
    assert "add --yes" in error(refused.err)
    assert "runs" in error(refused.err)
    assert difference(picture(filled.root), before) == []
    assert {name: one["pid"] for name, one in services(filled.cli, filled.root).items()} == pids


@pytest.mark.parametrize("damage", ["flip", "cut", "none"])
def test_a_damaged_file_touches_nothing(filled: Filled, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "damaged.tar"
    content = bytearray(filled.backup.read_bytes())
    if damage == "flip":
        content[content.index(b"COPY serving.predictions") + 200] ^= 1
    if damage == "cut":
        del content[len(content) // 2 :]
    if damage != "none":
        path.write_bytes(content)
    pids = {name: one["pid"] for name, one in services(filled.cli, filled.root).items()}
    refused = filled.cli("restore", path, "--yes")
    assert refused.code == (2 if damage == "none" else 1)
    assert str(path) in error(refused.err)
    assert difference(picture(filled.root), filled.seen) == []
    assert {name: one["pid"] for name, one in services(filled.cli, filled.root).items()} == pids


def test_a_file_that_is_there_stays(filled: Filled, tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    path.write_bytes(b"precious")
    refused = filled.cli("backup", path)
    assert refused.code == 2
    assert "add --force" in error(refused.err)
    assert path.read_bytes() == b"precious"
    filled.cli("backup", path, "--force").ok()
    assert path.stat().st_size > 10000
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_a_stopped_stack_is_started_for_it_and_stopped_again(filled: Filled, tmp_path: Path) -> None:
    filled.cli("down").ok()
    done = filled.cli("backup", tmp_path / "b.tar", "--json").ok()
    assert "the stack is not running; starting it" in done.err
    assert done.json["content"]["runs"] == 2
    assert {one["state"] for one in services(filled.cli, filled.root).values()} == {"stopped"}


def test_a_disk_that_is_full_is_one_line_and_leaves_nothing(filled: Filled, tmp_path: Path) -> None:
    artifacts = storage(filled.root).artifacts
    big = filled.root / ".mlpipes" / "artifacts" / "big"
    big.write_bytes(b"x" * (8 << 20))
    try:
        done = subprocess.run(
            filled.cli.command("backup", tmp_path / "b.tar"),
            cwd=filled.root,
            env=filled.cli.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20)),
        )
    finally:
        artifacts.remove(["big"])
    assert done.returncode == 1
    assert "cannot be written" in error(done.stderr)
    assert [one for one in tmp_path.iterdir() if one.name.endswith((".tar", ".new"))] == []


def test_a_store_that_fails_leaves_the_old_data(filled: Filled) -> None:
    before = change(filled)
    kept = filled.root / ".mlpipes" / "artifacts"
    folder = sorted(one for one in filled.seen if one.startswith("artifacts/"))[-1].split("/")[1:3]
    place = kept.joinpath(*folder)
    away = place.with_name("away")
    place.rename(away)
    place.write_text("a file where a folder has to be")
    blocked = picture(filled.root)
    failed = filled.cli("restore", filled.backup, "--yes")
    assert failed.code == 1
    assert "cannot be written" in error(failed.err)
    assert difference(picture(filled.root), blocked) == []
    assert not list((filled.root / ".mlpipes").glob("replacing-*"))
    place.unlink()
    away.rename(place)
    assert difference(picture(filled.root), before) == []
    filled.cli("restore", filled.backup, "--yes").ok()
    assert difference(picture(filled.root), filled.seen) == []


def _script(name: str, text: bytes) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    """Statements at the end of a database's script."""

    def change(files: dict[str, bytes], row: dict[str, Any]) -> None:
        mark = b"--\n-- PostgreSQL database dump complete"
        assert mark in files[f"databases/{name}.sql"]
        files[f"databases/{name}.sql"] = files[f"databases/{name}.sql"].replace(mark, text + b"\n" + mark)

    return change


def _file_and_folder(files: dict[str, bytes], row: dict[str, Any]) -> None:
    files["artifacts/0/odd"] = files["artifacts/0/odd/deeper"] = b"x"


_DEFERRED = b"""
create function public.never() returns trigger language plpgsql as $$ begin raise 'never'; end $$;
create constraint trigger never after insert on public.experiments deferrable initially deferred
    for each row execute function public.never();
insert into public.experiments select max(experiment_id) + 1, 'odd' from public.experiments;
"""
# What is in the file, and what is said of it, by the check or by the database.
FORGED: dict[str, tuple[Callable[[dict[str, bytes], dict[str, Any]], None], str]] = {
    "a quote that is open": (_script("mlflow", b"select 'a"), "is damaged or not a backup"),
    "a commit": (_script("mlpipes", b"commit; truncate raw_data.mine;"), "it contains its own COMMIT"),
    "a revision": (lambda files, row: row.update(revision={}), "its manifest cannot be read (revision)"),
    "a statement": (_script("mlflow", b"select no_such_function();"), "no_such_function() does not exist"),
    "rows": (_script("mlpipes", b"delete from raw_data.mine;"), "mine of database mlpipes has 0 rows"),
    "a version": (
        _script("mlflow", b"update public.alembic_version set version_num = 'abc';"),
        "its MLflow tables have version abc, not ",
    ),
    "a trigger": (_script("mlflow", _DEFERRED), "never"),
    "a file and a folder": (_file_and_folder, "cannot be written"),
}  # fmt: skip
UNTOUCHED = "both databases and all artifacts are unchanged"


def _replaced(filled: Filled, path: Path, databases: Databases, journal: RestoreJournal) -> str:
    """What replacing everything by a forged backup says, while nobody else works with the stack."""
    with pytest.raises(MlpipesError) as caught:
        manifest = check(path, databases)
        replace(storage(filled.root), databases, path, manifest, journal, Told())
    (line,) = caught.value.lines()
    return line


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_backup_leaves_all_as_it_was_and_says_so(filled: Filled, tmp_path: Path, name: str) -> None:
    change, words = FORGED[name]
    path = forged(filled.backup, tmp_path / "b.tar", change)
    line = _replaced(filled, path, wiring.make_databases(), RestoreJournal(tmp_path / "journal"))
    assert words in line
    assert (UNTOUCHED in line) == ("damaged or not a backup" not in line and "cannot be read" not in line)
    assert difference(picture(filled.root), filled.seen) == []
    assert not (tmp_path / "journal").exists()


def test_mlflow_runs_again_after_a_restore_that_failed(filled: Filled, tmp_path: Path) -> None:
    before = change(filled)
    path = forged(filled.backup, tmp_path / "b.tar", FORGED["a statement"][0])
    failed = filled.cli("restore", path, "--yes")
    assert failed.code == 1
    assert UNTOUCHED in error(failed.err)
    assert difference(picture(filled.root), before) == []
    assert services(filled.cli, filled.root)["mlflow"]["state"] == "running"
    assert not list((filled.root / ".mlpipes").glob("replacing-*"))


class _CutOff(PostgresDatabases):
    """Databases of which one loses its connection when it is told to commit."""

    def __init__(self, which: str, after: bool) -> None:
        self.which, self.after = which, after

    @contextlib.contextmanager
    def loading(self, url: str) -> Iterator[Loading]:
        with super().loading(url) as loading:
            if url.endswith(f"/{self.which}"):
                commit = loading.commit

                def cut() -> None:
                    if self.after:
                        commit()
                    with contextlib.closing(psycopg2.connect(url)) as link, link.cursor() as cursor:
                        cursor.execute(
                            "select pg_terminate_backend(pid) from pg_stat_activity"
                            " where application_name = 'mlpipes' and datname = current_database()"
                            " and backend_type = 'client backend' and pid <> pg_backend_pid()"
                        )
                    loading.holds() if self.after else commit()

                loading.commit = cut
            yield loading


@pytest.mark.parametrize(
    ("which", "after", "words", "stage"),
    [
        ("mlpipes", False, UNTOUCHED, ""),
        (
            "mlpipes",
            True,
            "the database mlpipes was replaced, the database mlflow is unchanged",
            "committing",
        ),
        (
            "mlflow",
            False,
            "the database mlpipes was replaced, the database mlflow is unchanged",
            "committing",
        ),
        ("mlflow", True, "the database mlpipes was replaced, the database mlflow was replaced", "committing"),
    ],
)
def test_a_connection_lost_at_the_commit(
    filled: Filled, tmp_path: Path, which: str, after: bool, words: str, stage: str
) -> None:
    """What holds is what the databases say afterwards, and the same call goes on."""
    before = change(filled)
    journal = RestoreJournal(filled.root / ".mlpipes" / "replacing-embedded")
    line = _replaced(filled, filled.backup, _CutOff(which, after), journal)
    assert words in line
    assert (difference(picture(filled.root), before) == []) == (not stage)
    assert (journal.state() or [""])[0] == stage
    if stage:
        path = forged(filled.backup, tmp_path / "b.tar", FORGED["a statement"][0])
        assert UNTOUCHED in _replaced(filled, path, wiring.make_databases(), journal)
        assert (journal.state() or [""])[0] == stage  # it is still half of one and half of the other
    databases = wiring.make_databases()
    replace(storage(filled.root), databases, filled.backup, check(filled.backup, databases), journal, Told())
    assert difference(picture(filled.root), filled.seen) == []
    assert journal.state() is None


KILLS = {
    "some artifacts": lambda root, files: _count(root) > files + 20,
    "at the commit": lambda root, files: b"commit" in _state(root),
}


def _count(root: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(root / ".mlpipes" / "artifacts"))


def _state(root: Path) -> bytes:
    try:
        return (root / ".mlpipes" / "replacing-embedded" / "state.json").read_bytes()
    except FileNotFoundError:
        return b""


@pytest.mark.parametrize("moment", KILLS)
def test_killed_at_any_moment_and_run_again(filled: Filled, moment: str) -> None:
    change(filled)
    artifacts = filled.root / ".mlpipes" / "artifacts"
    for path in list(artifacts.rglob("*.bin"))[10:60]:
        path.unlink()
    before = picture(filled.root)
    files = _count(filled.root)
    child = filled.cli.start("restore", filled.backup, "--yes")
    try:
        until(lambda: KILLS[moment](filled.root, files) or child.poll() is not None, 60)
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    up = filled.cli("up").ok()
    seen = picture(filled.root)
    tables = [name for name in difference(seen, before) if not name.startswith("artifacts/")]
    if b"commit" not in _state(filled.root) and _state(filled.root):
        assert tables == []  # the old data, and some artifacts more
    elif _state(filled.root):
        assert "run `mlpipes restore" in up.err
        refused = filled.cli("backup", filled.root.parent / "half.tar")
        assert "was interrupted" in error(refused.err)
    filled.cli("restore", filled.backup, "--yes").ok()
    assert difference(picture(filled.root), filled.seen) == []
    assert not list((filled.root / ".mlpipes").glob("replacing-*"))


def test_what_was_written_over_is_put_back_by_the_next_backup(filled: Filled, tmp_path: Path) -> None:
    before = change(filled)
    aside = filled.root / ".mlpipes" / "replacing-embedded"
    child = filled.cli.start("restore", filled.backup, "--yes")
    try:
        until(lambda: any(aside.glob("*.kept")) or child.poll() is not None, 60)
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    if b"loading" in _state(filled.root):
        filled.cli("backup", tmp_path / "b.tar").ok()
        found = difference(picture(filled.root), before)
        assert [name for name in found if name in before] == []
        assert not list((filled.root / ".mlpipes").glob("replacing-*"))


def test_ctrl_c_leaves_the_old_data_and_a_running_stack(filled: Filled) -> None:
    before = change(filled)
    child = filled.cli.start("restore", filled.backup, "--yes")
    until(lambda: (filled.root / ".mlpipes" / "replacing-embedded").exists() or child.poll() is not None, 60)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=120)
    if child.returncode == 130:
        assert "stopped before the restore was finished" in error(said)
        assert difference(picture(filled.root), before) == []
    assert services(filled.cli, filled.root)["mlflow"]["state"] == "running"


def test_an_up_and_a_backup_meanwhile_wait(filled: Filled, tmp_path: Path) -> None:
    change(filled)
    child = filled.cli.start("restore", filled.backup, "--yes")
    until(lambda: (filled.root / ".mlpipes" / "replacing-embedded").exists() or child.poll() is not None, 60)
    others = [filled.cli.start("up"), filled.cli.start("backup", tmp_path / "b.tar")]
    for one in (child, *others):
        _, said = one.communicate(timeout=120)
        assert one.returncode == 0, said
    assert difference(picture(filled.root), filled.seen) == []
    assert manifest(tmp_path / "b.tar")["rows"] == manifest(filled.backup)["rows"]


def test_a_backup_while_runs_are_written_holds_every_file_that_it_names(
    filled: Filled, tmp_path: Path, make_project: Callable[..., Path], cli: Cli
) -> None:
    from mlflow import MlflowClient

    there = environment(filled.cli, filled.root)
    client = MlflowClient(there["MLFLOW_TRACKING_URI"])
    stop, failed = threading.Event(), []

    def write() -> None:
        try:
            while not stop.is_set():
                run = client.create_run("0").info.run_id
                client.log_text(run, "x" * 100, "model/file")
                client.create_model_version("credit", f"runs:/{run}/model", run)
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        done = [filled.cli("backup", tmp_path / f"{n}.tar", "--json").ok().json for n in range(3)]
    finally:
        stop.set()
        thread.join()
    assert not failed
    assert [one["missing"] for one in done] == [[], [], []]
    assert done[-1]["content"]["versions"] > 2


def test_what_others_see_of_the_stack_is_told_of_files_that_are_not_there(
    filled: Filled, tmp_path: Path
) -> None:
    query(filled.cli, filled.root, "select 1")
    from mlflow import MlflowClient

    client = MlflowClient(environment(filled.cli, filled.root)["MLFLOW_TRACKING_URI"])
    run = client.create_run("0").info.run_id
    client.create_model_version("credit", f"runs:/{run}/nothing", run)
    client.create_model_version("credit", "s3://elsewhere/model", run)
    done = filled.cli("backup", tmp_path / "b.tar", "--json").ok()
    assert len(done.json["missing"]) == 2
    assert "warning: 2 models refer to files missing from the artifact store" in done.err
