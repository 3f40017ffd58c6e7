"""API keys in a real Postgres, and `mlpipes keys` on a running stack."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest
import serving_help

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.adapters.postgres.api_keys import PostgresKeyStore
from mlpipes_cli.errors import MlpipesError, Rejected
from mlpipes_cli.server.ops.keys import new_key

pytestmark = pytest.mark.slow


@pytest.fixture
def store(postgres: serving_help.Postgres) -> Iterator[PostgresKeyStore]:
    made = PostgresKeyStore(postgres.url)
    made.prepare()
    postgres.query("delete from serving.api_keys")
    yield made
    made.close()


def test_only_hashes_are_stored(store: PostgresKeyStore, postgres: serving_help.Postgres) -> None:
    assert (store.active().required, dict(store.active().hashes), store.list()) == (False, {}, [])
    key = new_key()
    made = store.create(key.id, "ci", key.digest)
    assert (made.id, made.name, made.revoked_at, made.last_used_at) == (key.id, "ci", None, None)
    assert store.list() == [made]
    active = store.active()
    assert active.required and active.hashes == {key.id: key.digest}
    ((row,),) = postgres.query("select k::text from serving.api_keys k")
    assert key.text.split("_")[2] not in row and key.digest.hex() in row


def test_a_name_counts_once(store: PostgresKeyStore) -> None:
    first, second = new_key(), new_key()
    store.create(first.id, "ci", first.digest)
    with pytest.raises(Rejected, match="an API key named 'ci' already exists"):
        store.create(second.id, "ci", second.digest)
    assert store.revoke("ci") is not None
    store.create(second.id, "ci", second.digest)  # the name is free again
    assert store.active().hashes == {second.id: second.digest}
    assert [key.revoked_at is None for key in store.list()] == [False, True]


def test_a_key_is_revoked_by_its_name_or_its_id(store: PostgresKeyStore) -> None:
    first, second = new_key(), new_key()
    store.create(first.id, "one", first.digest)
    store.create(second.id, first.id, second.digest)  # whose name is the other's id: the id counts
    assert (store.revoke(first.id) or first).id == first.id
    assert (store.revoke(first.id) or first).id == second.id
    assert store.revoke(first.id) is None
    assert store.revoke("one") is None
    assert store.revoke("'; drop table serving.api_keys; --") is None
    active = store.active()
    assert active.required and active.hashes == {}


def test_use_is_noted(store: PostgresKeyStore) -> None:
    keys = [new_key() for _ in range(3)]
    for key in keys:
        store.create(key.id, key.id, key.digest)
    store.used({keys[0].id, keys[2].id, "unknown"})
    assert [key.last_used_at is not None for key in store.list()] == [True, False, True]


def test_two_that_make_the_same_name_at_once_make_one_key(
    store: PostgresKeyStore, postgres: serving_help.Postgres
) -> None:
    outcomes: list[str] = []

    def make() -> None:
        own, key = PostgresKeyStore(postgres.url), new_key()
        try:
            own.create(key.id, "same", key.digest)
            outcomes.append("made")
        except Rejected:
            outcomes.append("refused")
        own.close()

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made"] + ["refused"] * 5


def test_a_call_that_hangs_can_be_cut_off_and_the_next_one_works(
    store: PostgresKeyStore, postgres: serving_help.Postgres
) -> None:
    store.active()
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            store.active()
        except MlpipesError as error:
            failed.append(error)

    postgres.freeze(True)
    try:
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        store.interrupt()
        thread.join(5)
        assert not thread.is_alive() and len(failed) == 1
    finally:
        postgres.freeze(False)
    assert store.active().required is False


def test_a_connection_that_was_lost_is_made_anew(
    store: PostgresKeyStore, postgres: serving_help.Postgres
) -> None:
    store.active()
    own = "pid <> pg_backend_pid() and application_name = 'mlpipes'"
    postgres.query(f"select pg_terminate_backend(pid) from pg_stat_activity where {own}")
    with pytest.raises(MlpipesError, match="the database does not answer"):
        store.active()
    assert store.active().required is False


def test_the_tables_are_those_of_the_migration(postgres: serving_help.Postgres) -> None:
    database.migrate(postgres.url)
    assert ("0004_api_keys",) in postgres.query("select name from public.mlpipes_migrations")
    with pytest.raises(psycopg2.errors.CheckViolation):
        postgres.query("insert into serving.api_keys (id, name, hash) values ('a', 'a', 'short')")


def test_the_commands_on_a_running_stack(running_stack: Any, tmp_path: Path) -> None:
    cli = running_stack.cli
    environment = running_stack.environment
    serving_help.registered(environment["MLFLOW_TRACKING_URI"], "keyed")
    rows = tmp_path / "rows.csv"
    serving_help.people(20, 7).to_csv(rows, index=False)
    port = serving_help.free_port()
    process = cli.start("serve", "--model", "keyed", "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    try:
        serving_help.until(lambda: status(f"{url}/ready") == 200, 120, "the API")
        assert "no keys exist" in cli("keys", "list").ok().out
        assert cli("keys", "list", "--json").ok().json == []
        assert status(f"{url}/version") == 200
        cli("predict", rows, "--model", "keyed").ok()

        made = cli("keys", "create", "ci pipeline").ok()
        key = made.out.strip()
        assert key.startswith("mlp_") and len(key) == 81
        assert "only once" in made.err and "will require a key" in made.err and key not in made.err
        serving_help.until(lambda: status(f"{url}/version") == 401, 60, "the refusal")
        assert status(f"{url}/version", key) == 200
        assert status(f"{url}/ready") == 200
        assert cli("status").code == 0

        refused = cli("predict", rows, "--model", "keyed")
        assert refused.code == 1 and "MLPIPES_API_KEY" in refused.err
        assert len(refused.err.strip().splitlines()) == 1
        with_option = cli("predict", rows, "--model", "keyed", "--api-key", key).ok()
        with_variable = cli("predict", rows, "--model", "keyed", env={"MLPIPES_API_KEY": key}).ok()
        assert len(with_option.out.splitlines()) == len(with_variable.out.splitlines()) == 21

        second = cli("keys", "create", "page", "--json").ok()
        assert second.json.keys() == {"id", "name", "key", "first"} and second.json["first"] is False
        again = cli("keys", "create", "page")
        assert again.code == 1 and "an API key named 'page' already exists" in again.err
        listed = cli("keys", "list", "--json").ok()
        assert [(row["name"], row["state"]) for row in listed.json] == [
            ("ci pipeline", "active"),
            ("page", "active"),
        ]
        assert key not in listed.out and second.json["key"] not in listed.out
        assert cli("keys", "revoke", second.json["id"], "--json").ok().json["state"] == "revoked"
        wrong = cli("keys", "revoke", "ci pipelin")
        assert wrong.code == 2 and "did you mean 'ci pipeline'?" in wrong.err
        cli("keys", "revoke", "ci pipeline").ok()
        serving_help.until(lambda: status(f"{url}/version", key) == 401, 60, "the refusal")
        assert status(f"{url}/version") == 401  # no key is left, and nothing is open
        for name in ("", " a", "x" * 65, "a\tb", "a;b"):
            assert cli("keys", "create", name).code == 2
        assert key not in json.dumps(cli("status", "--json").ok().json)
    finally:
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=60)
        connection = psycopg2.connect(environment["MLPIPES_DATABASE_URL"])
        with connection, connection.cursor() as cursor:
            cursor.execute("delete from serving.api_keys")  # the stack is everybody's
        connection.close()
    assert key not in log


def status(url: str, key: str | None = None) -> int:
    try:
        headers = {} if key is None else {"X-API-Key": key}
        return httpx.get(url, headers=headers, trust_env=False, timeout=10).status_code
    except httpx.TransportError:
        return 0
