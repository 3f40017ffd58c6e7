"""The prediction API as a container of the stack, and the image of `mlpipes build`."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import foreign_model_help
import image_help
import push_registry
import pytest
import signing_help
import yaml
from ci_runner import GitHub, GitLab
from conftest import Cli, Result
from docker.errors import ImageNotFound
from docker_help import COMPOSE, ROOT_LABEL, name_here, need_images
from integration.docker.conftest import Stack
from pod_help import Balancer, Callers, Cluster, Pod
from stack_help import http, query
from waiting import until

from mlpipes_cli import __version__, mlflow_tags
from mlpipes_cli.adapters.docker.images.model_image import DockerImageBuilder, pins
from mlpipes_cli.adapters.mlflow.client import Connection
from mlpipes_cli.adapters.mlflow.registry import MlflowRegistry
from mlpipes_cli.cli.console import Console
from mlpipes_cli.compose.secret_files import TARGET
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import env_file
from mlpipes_cli.package_files import package
from mlpipes_cli.ports.images import BuiltImage

if TYPE_CHECKING:
    from docker.models.containers import Container

pytestmark = pytest.mark.slow
SETTINGS = "project: boxes\nruntime: docker\nserving: {model: people}\n"
CORE = ("postgres", "minio", "mlflow")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, docker_engine: Any) -> Iterator[Stack]:
    """A stack with the API, and what its first start said where nothing was promoted."""
    base = tmp_path_factory.mktemp("api")
    root = base / "project"
    root.mkdir()
    stack = Stack(root, Cli(base / "home", root), docker_engine)
    stack.rewrite(SETTINGS)
    signing_help.give(root)
    try:
        yield stack
    finally:
        stack.remove()


@pytest.fixture(scope="module")
def first_up(stack: Stack) -> Result:
    return stack.cli("up", "--with", "api", "--json", timeout=1800).ok()


@pytest.fixture(scope="module")
def served(stack: Stack, first_up: Result) -> str:
    """The API's address, on version 1 of the model."""
    image_help.promoted(tracking(stack), "people")
    stack.cli("up", timeout=1800).ok()
    return str(stack.status()["api"]["url"])


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file with two rows to score."""
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, ["id", *image_help.ROW])
        out.writeheader()
        out.writerows([{"id": number, **image_help.ROW} for number in (7, 8)])
    return path


def tracking(stack: Stack) -> str:
    return str(stack.cli("env", "--json").ok().json["MLFLOW_TRACKING_URI"])


def version(url: str) -> int:
    return int(json.loads(http(f"{url}/version"))["version"])


def predict(url: str) -> dict[str, Any]:
    return dict(json.loads(http(f"{url}/predict", "POST", json.dumps(image_help.ROW).encode())))


def kept(stack: Stack, id: str) -> list[tuple[Any, ...]]:
    statement = f"select model_version, model_alias from serving.predictions where prediction_id = '{id}'"
    return query(stack.cli, stack.root, statement)


# -- a service of the stack


def test_without_a_model_one_line_says_what_to_do_and_the_rest_is_up(stack: Stack, first_up: Result) -> None:
    said = [one for one in first_up.err.splitlines() if "API" in one]
    todo = "train, then `mlpipes promote`, then `mlpipes up`"
    assert said == [f"warning: the API was not started: no model is registered yet; {todo}"]
    services = {row["name"]: row for row in first_up.json["services"]}
    assert {name: services[name]["state"] for name in CORE} == dict.fromkeys(CORE, "running")
    assert (services["api"]["state"], "promote" in services["api"]["detail"]) == ("stopped", True)
    assert set(stack.containers()) == set(CORE)


def test_it_answers_and_stores_confined_as_the_others(stack: Stack, served: str, rows: Path) -> None:
    answer = predict(served)
    assert kept(stack, answer["prediction_ids"][0]) == [(1, "production")]
    told = stack.cli("predict", rows).ok()
    assert len(told.out.splitlines()) == 3
    container = stack.containers()["api"]
    host, config = container.attrs["HostConfig"], container.attrs["Config"]
    assert (host["Memory"], host["NanoCpus"], host["ReadonlyRootfs"]) == (2 * 2**30, 2_000_000_000, True)
    assert (host["CapDrop"], host["RestartPolicy"]["Name"]) == (["ALL"], "unless-stopped")
    assert config["User"] == "api"
    assert host["PortBindings"]["8000/tcp"][0]["HostIp"] == "127.0.0.1"
    assert container.exec_run(["id", "-u"])[1] == b"10004\n"
    until(lambda: container.reload() or container.attrs["State"]["Health"]["Status"] == "healthy")
    assert "serving people@production on port 8000" in stack.cli("logs", "api").ok().out
    assert stack.cli("env", "--json").ok().json["MLPIPES_API_URL"] == served


def test_a_second_up_changes_nothing(stack: Stack, served: str) -> None:
    before = stack.ids()
    assert stack.up().json["changes"] == []
    assert stack.ids() == before
    assert version(served) == 1


def test_a_moved_alias_moves_the_model(stack: Stack, served: str) -> None:
    before = stack.ids()
    number = image_help.promoted(tracking(stack), "people")
    until(lambda: version(served) == number)
    answer = predict(served)
    assert answer["model"]["version"] == number
    assert kept(stack, answer["prediction_ids"][0]) == [(number, "production")]
    assert stack.ids() == before


def test_with_compose_alone_it_waits_for_the_first_promotion(stack: Stack, served: str) -> None:
    """What `docker compose --profile api` starts, beside the API that `up` started."""
    own = stack.containers()["api"]
    told = environment(own) | {"MLPIPES_WAIT_FOR_MODEL": "1", "MLPIPES_SERVING": '{"model": "later"}'}
    network = own.name.replace("-api-1", "_database")  # MLflow is in it, too
    passwords = {own.name.replace("-api-1", "_api-secrets"): {"bind": TARGET, "mode": "ro"}}
    waiting = stack.client.containers.run(
        own.image.id, detach=True, read_only=True, network=network, environment=told, volumes=passwords,
        tmpfs={"/tmp": "", "/var/lib/mlpipes": "mode=1777"},
        ports={"8000/tcp": ("127.0.0.1", None)}, labels={ROOT_LABEL: str(stack.root)},
    )  # fmt: skip
    try:
        url = address(waiting)
        assert until(lambda: status(f"{url}/health"), 60) == 200
        assert (status(f"{url}/ping"), status(f"{url}/ready")) == (503, 503)
        said = waiting.logs().decode().splitlines()
        assert said == [
            "there is no registered model 'later'; available: people; waiting for one (see `mlpipes models`)"
        ]
        number = image_help.promoted(tracking(stack), "later")
        until(lambda: answers(url, waiting), 60)
        assert version(url) == number
        assert waiting.attrs["RestartCount"] == 0
    finally:
        waiting.remove(force=True, v=True)


def status(url: str) -> int:
    """The HTTP status of an answer; 0 where nobody answers."""
    try:
        http(url)
    except HTTPError as error:
        return error.code
    except OSError:
        return 0
    return 200


def test_a_model_that_needs_more_says_what(stack: Stack, served: str) -> None:
    good = version(served)
    needs = image_help.NEEDS
    number = image_help.promoted(tracking(stack), "people", needs, needed=image_help.NEEDED)
    said = until(lambda: json.loads(http(f"{served}/ready"))["problems"], 90)
    assert f"needs packages that are not installed here: {needs}" in said["production"]
    assert version(served) == good
    failed = stack.cli("restart", "api")  # it cannot start on that one, and says the same
    assert failed.code == 1
    (line,) = [one for one in failed.err.splitlines() if one.startswith("error")]
    assert f"version {number} of model 'people' needs packages that are not installed here: {needs}" in line
    assert "`mlpipes build`" in line
    image_help.promoted(tracking(stack), "people")
    stack.cli("up").ok()
    assert version(served) == number + 1


def test_down_stops_it_and_up_brings_it_back(stack: Stack, served: str) -> None:
    stopped = stack.cli("down", "--json").ok().json["stopped"]
    assert "api" in stopped
    assert stack.containers() == {}
    changes = stack.up().json["changes"]
    assert any(change.startswith("api: started on port") for change in changes)
    assert predict(served)["predictions"]


def test_detached_with_arguments_it_is_the_same_container(stack: Stack, served: str) -> None:
    with_arguments = stack.cli("serve", "--detach", "--workers", "2", "--json").ok().json
    assert with_arguments["url"] == served
    container = stack.containers()["api"]
    assert json.loads(environment(container)["MLPIPES_SERVING"]) == {"model": "people", "workers": 2}
    assert stack.up().json["changes"] == []  # and it stays with what was said
    stack.rewrite(SETTINGS.replace("people}", "people, access_log: all}"))
    assert stack.cli("up", "--with", "api", "--json").ok().json["changes"] != []
    container = stack.containers()["api"]
    assert json.loads(environment(container)["MLPIPES_SERVING"]) == {"model": "people", "access_log": "all"}
    stack.rewrite(SETTINGS)
    stack.up()


def environment(container: Container) -> dict[str, str]:
    return dict(line.split("=", 1) for line in container.attrs["Config"]["Env"])


def test_one_in_front_runs_beside_it(stack: Stack, served: str) -> None:
    front = stack.cli.start("serve")
    try:
        found = until(lambda: [row for row in rows_of(stack) if "foreground" in row["detail"]], 60)
        until(lambda: [row for row in rows_of(stack) if row["pid"] == found[0]["pid"] and row["url"]], 60)
        urls = {row["url"] for row in rows_of(stack) if row["name"] == "api"}
        assert served in urls
        assert len(urls) == 2
        assert all(predict(url)["predictions"] for url in urls)
    finally:
        front.terminate()
        front.communicate(timeout=60)


def rows_of(stack: Stack) -> list[dict[str, Any]]:
    return list(stack.cli("status", "--json").ok().json["services"])


@pytest.fixture(scope="module")
def foreign(stack: Stack, served: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Any]:
    """A version that an older scikit-learn trained, in production, and what that says of the rows."""
    folder = tmp_path_factory.mktemp("old") / "model"
    with foreign_model_help.interpreter() as python:
        return foreign_model_help.promoted(tracking(stack), "people", python, folder)


def test_a_model_of_another_environment_is_served_from_one(
    stack: Stack, served: str, foreign: tuple[int, Any]
) -> None:
    number, truth = foreign
    until(lambda: version(served) == number, 400)  # its environment is built in the container
    foreign_model_help.compare(ask(served), truth)
    assert truth["sklearn"] == foreign_model_help.OLD.partition("==")[2]
    image_help.promoted(tracking(stack), "people")
    until(lambda: version(served) == number + 1)


def ask(url: str) -> dict[str, Any]:
    """The answer to the rows."""
    body = json.dumps(foreign_model_help.columns()).encode()
    return dict(json.loads(http(f"{url}/predict", "POST", body)))


def test_mlflows_own_server_stays_a_process(stack: Stack, served: str) -> None:
    before = stack.ids()
    told = stack.cli("serve", "--detach", "--engine", "mlflow", "--json", timeout=180).ok().json
    assert told["pid"]
    assert set(stack.containers()) == set(CORE)
    again = stack.cli("serve", "--detach", "--json").ok().json
    assert again["url"]
    assert {name: before[name] for name in CORE} == {name: stack.ids()[name] for name in CORE}
    assert predict(again["url"])["predictions"]


def test_prometheus_scrapes_it_with_a_key_and_knows_the_alert_rules(
    stack: Stack, served: str, rows: Path
) -> None:
    need_images(stack.client, "prometheus")
    created = stack.cli("keys", "create", "prometheus", "--json").ok().json
    secrets = env_file.read(stack.root / ".env")
    with (stack.root / ".env").open("a") as file:
        file.write(f"MLPIPES_METRICS_KEY={created['key']}\n")
    stack.cli("up", "--with", "api,prometheus", "--json", timeout=600).ok()
    try:
        url = stack.status()["prometheus"]["url"]
        exported = stack.cli("env", "--json").ok().json
        assert exported["MLPIPES_PROMETHEUS_URL"] == url
        asked = stack.cli("predict", str(rows), "--json", "--api-key", created["key"])
        assert asked.ok().json["rows"] == 2

        def value(query: str) -> float | None:
            found = json.loads(http(f"{url}/api/v1/query?{urlencode({'query': query})}"))["data"]["result"]
            return float(found[0]["value"][1]) if found else None

        until(lambda: value('up{job="mlpipes"}') == 1, 90, "the API is scraped")
        until(lambda: value('sum(mlpipes_requests_total{status="200"})'), 60, "requests are counted")
        groups = json.loads(http(f"{url}/api/v1/rules"))["data"]["groups"]
        states = {rule["name"]: rule["state"] for group in groups for rule in group["rules"]}
        assert set(states.values()) <= {"inactive", "pending"}
        assert {"MlpipesApiDown", "MlpipesModelAlarm", "MlpipesPredictionsNotStored"} <= states.keys()
    finally:
        query(stack.cli, stack.root, "delete from serving.api_keys")  # a revoked key still asks for others
        (stack.root / ".env").write_text("".join(f"{name}={text}\n" for name, text in secrets.items()))
        stack.cli("up", "--with", "api", timeout=600).ok()


def test_the_watcher_is_a_container_and_a_process_where_it_needs_the_folder(
    stack: Stack, served: str
) -> None:
    """The model was trained elsewhere, so it has no reference rows: one line says so, and it goes on."""
    settings = SETTINGS + "monitoring: {alerts: [{name: team, webhook: $TEAM_WEBHOOK}]}\n"
    address = "http://127.0.0.1:9/hook-of-the-team"
    with (stack.root / ".env").open("a") as file:
        file.write(f"TEAM_WEBHOOK={address}\n")
    waits = "insert into monitoring.deliveries (event, channel, message) values ('alarm:1', 'team', '{}')"
    query(stack.cli, stack.root, f"{waits} returning event")
    stack.rewrite(settings)
    try:
        stack.cli("up", "--with", "watch", "--json", timeout=900).ok()
        number = version(served)
        lacks = f"no check was made: version {number} of model 'people' has no reference rows"
        until(lambda: lacks in (stack.status()["watch"]["detail"] or ""), 90)
        refused = "warning: alert to 'team' failed: the webhook cannot be reached (Connection refused)"
        until(lambda: refused in stack.cli("logs", "watch").ok().out, 60)
        container = stack.containers()["watch"]
        host = container.attrs["HostConfig"]
        assert (host["CapDrop"], host["RestartPolicy"]["Name"]) == (["ALL"], "unless-stopped")
        assert host["ReadonlyRootfs"] and container.attrs["Config"]["User"] == "api"
        assert address not in json.dumps(container.attrs)  # the engine shows no secret
        assert address not in stack.cli("logs", "watch").ok().out
        until(lambda: container.reload() or container.attrs["State"]["Health"]["Status"] == "healthy")
        assert stack.up().json["changes"] == []
        container.kill()
        assert any(change.startswith("watch: started") for change in stack.up().json["changes"])
        stack.rewrite(SETTINGS + "monitoring: {alerts: [{name: own, command: cat}]}\n")
        moved = stack.cli("up").ok().err
        assert (
            "watch runs as a process of this machine, not in a container: alert 'own' is a command" in moved
        )
        assert "watch" not in stack.containers()
        assert stack.status()["watch"]["state"] == "running"
    finally:
        stack.rewrite(SETTINGS)
        stack.cli("up", "--with", "none", timeout=600).ok()
        stack.cli("up", "--with", "api", timeout=600).ok()
    assert "watch" not in stack.status() and "watch" not in stack.containers()


def test_none_drops_it(stack: Stack, served: str) -> None:
    dropped = stack.cli("up", "--with", "none", "--json").ok().json
    removed = {f"{name}: removed, since it is no longer configured" for name in ("api", "prometheus")}
    assert "api: removed, since it is no longer configured" in dropped["changes"]
    assert set(dropped["changes"]) <= removed
    assert set(stack.containers()) == set(CORE)
    assert stack.up().json["changes"] == []
    assert "api" not in stack.status()


# -- an image with a model inside


@pytest.fixture(scope="module")
def image(stack: Stack, served: str) -> Iterator[dict[str, Any]]:
    """What `build` says of an image with a model that the API's own image could not load."""
    needs = image_help.NEEDS
    number = image_help.promoted(tracking(stack), "boxed", needs, needed=image_help.NEEDED)
    tag = f"mlpipes-tests-{uuid.uuid4().hex[:8]}:one"  # another build may take the name later
    told = stack.cli("build", "--model", "boxed", "--tag", tag, "--json", timeout=1800).ok().json
    assert (told["tag"], told["model"]["version"], told["model"]["alias"]) == (tag, number, "production")
    try:
        yield told
    finally:
        for name in (tag, told["id"]):
            with contextlib.suppress(ImageNotFound):
                stack.client.images.remove(name, force=True)


@pytest.fixture
def boxed(stack: Stack, image: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    with running(stack, image["id"]) as found:
        yield found


@contextlib.contextmanager
def running(stack: Stack, image: str) -> Iterator[tuple[Any, str]]:
    """A container, confined, as a user whom nobody knows, told of a database alone; and its address."""
    database = stack.cli("env", "--json").ok().json["MLPIPES_DATABASE_URL"]
    at, path = database.rpartition("@")[0], database.rpartition("/")[2]
    network = next(iter(stack.containers()["postgres"].attrs["NetworkSettings"]["Networks"]))
    container = stack.client.containers.run(
        image, detach=True, read_only=True, user="54321:54321", cap_drop=["ALL"], network=network,
        security_opt=["no-new-privileges:true"], ports={"8000/tcp": ("127.0.0.1", None)},
        environment={"MLPIPES_DATABASE_URL": f"{at}@postgres:5432/{path}"},
        labels={ROOT_LABEL: str(stack.root)},
    )  # fmt: skip
    try:
        url = address(container)
        until(lambda: answers(url, container), 60)
        yield container, url
    finally:
        container.remove(force=True, v=True)


def address(container: Any) -> str:
    container.reload()
    return f"http://127.0.0.1:{container.ports['8000/tcp'][0]['HostPort']}"


def answers(url: str, container: Any) -> bool:
    container.reload()
    assert container.status == "running", container.logs().decode()
    try:
        return bool(json.loads(http(f"{url}/ready"))["ready"])
    except OSError:
        return False


def test_the_image_needs_nothing_but_a_database(
    stack: Stack, image: dict[str, Any], boxed: tuple[Any, str]
) -> None:
    container, url = boxed
    answer = predict(url)
    assert answer["model"] == {key: image["model"][key] for key in ("name", "version", "alias")}
    assert kept(stack, answer["prediction_ids"][0]) == [(image["model"]["version"], "production")]
    frozen = container.exec_run(["pip", "freeze"])[1].decode().splitlines()
    assert {*image_help.PINS, image_help.NEEDS} <= set(frozen)
    lock = container.exec_run(["cat", "/opt/mlpipes/requirements/requirements.lock"])[1].decode()
    assert pins(lock) == pins("\n".join(line for line in frozen if "==" in line))
    known = (COMPOSE / "api" / "requirements.lock").read_text()
    assert lock.count("--hash=sha256:") > len(pins(lock))
    assert all(part in lock for part in re.findall(r"^scipy==(?:.*\\\n)*.*", known, re.MULTILINE))
    until(lambda: container.reload() or container.attrs["State"]["Health"]["Status"] == "healthy", 40)
    container.stop(timeout=30)
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 0


def test_pods_of_the_manifests_are_replaced_without_a_lost_answer(
    stack: Stack, image: dict[str, Any], tmp_path: Path
) -> None:
    """Two replicas over one new database, as the manifests describe them, and a rolling replacement."""
    stack.cli("export", "kubernetes", "--output", tmp_path / "manifests", "--image", image["tag"]).ok()

    def pod(name: str) -> dict[str, Any]:
        text = (tmp_path / "manifests" / "base" / f"{name}.yaml").read_text()
        return dict(yaml.safe_load(text)["spec"]["template"]["spec"])

    postgres = stack.containers()["postgres"]

    def sql(statement: str, database: str = "postgres") -> list[str]:
        done = postgres.exec_run(["psql", "-U", "postgres", "-d", database, "-qAtc", statement])
        assert done.exit_code == 0, done.output.decode()
        return str(done.output.decode()).splitlines()

    sql("create database rolling owner mlpipes")
    at = stack.cli("env", "--json").ok().json["MLPIPES_DATABASE_URL"].rpartition("@")[0]
    cluster = Cluster(
        client=stack.client,
        network=next(iter(postgres.attrs["NetworkSettings"]["Networks"])),
        namespace="staging",
        secrets={"boxes-secrets": {"MLPIPES_DATABASE_URL": f"{at}@postgres:5432/rolling"}},
        folder=tmp_path,
        labels={ROOT_LABEL: str(stack.root)},
    )
    pods: list[Pod] = []
    balancer = None
    try:
        pods.append(cluster.start(pod("migration")))
        code, said = pods[0].finished()
        migrations = sorted(path.stem for path in (package() / "adapters/postgres/sql").glob("*.sql"))
        assert (code, json.loads(said)) == (0, {"migrations": migrations})

        serving = pod("deployment")
        replicas = [cluster.start(serving) for _ in range(2)]
        pods += replicas
        for one in replicas:
            until(lambda one=one: one.passes("startupProbe") and one.passes("readinessProbe"), 120)
            assert one.passes("livenessProbe")
        balancer = Balancer([one.address for one in replicas])
        name = {"Host": "boxes-api.staging"}  # by which other namespaces of the cluster ask
        assert json.loads(http(f"http://127.0.0.1:{balancer.port}/version", **name))["name"] == "boxed"
        codes = []
        with Callers(balancer.port, image_help.ROW) as callers:
            for old in replicas:
                new = cluster.start(serving)
                pods.append(new)
                until(lambda new=new: new.passes("startupProbe") and new.passes("readinessProbe"), 120)
                balancer.addresses.append(new.address)
                balancer.addresses.remove(old.address)
                codes.append(old.end())
            answered = len(callers.ids)
            until(lambda: len(callers.ids) >= answered + 20, 60)
        assert callers.failures == []
        assert codes == [0, 0]
        stored = sql("select prediction_id from serving.predictions", "rolling")
        assert sorted(stored) == sorted(callers.ids)
        assert len(set(stored)) == len(stored) > 40
    finally:
        if balancer is not None:
            balancer.close()
        for one in pods:
            one.container.remove(force=True, v=True)
        sql("drop database if exists rolling with (force)")


def test_the_image_says_what_it_is(stack: Stack, image: dict[str, Any]) -> None:
    found = stack.client.images.get(image["id"])
    assert found.labels["org.opencontainers.image.title"] == "boxed"
    assert found.labels["org.opencontainers.image.version"] == str(image["model"]["version"])
    assert found.labels["io.mlpipes.model.run"] == image["model"]["run_id"] != ""
    assert found.labels["org.opencontainers.image.base.name"] == "python:3.11-slim-bookworm"
    assert found.attrs["Config"]["User"] == "api"
    assert found.attrs["Config"]["Healthcheck"]["Test"][0] == "CMD"
    assert image["size"] == found.attrs["Size"]
    assert image["id"] == found.id


def test_no_secret_is_in_the_image(stack: Stack, image: dict[str, Any]) -> None:
    secrets = [value for value in env_file.read(stack.root / ".env").values() if len(value) >= 8]
    assert len(secrets) > 3
    words = [secret.encode() for secret in secrets]
    history = json.dumps(stack.client.api.history(image["id"]))
    inspected = json.dumps(stack.client.api.inspect_image(image["id"]))
    assert not [word for word in secrets if word in history + inspected]
    longest, rest = max(map(len, words)), b""
    for chunk in stack.client.images.get(image["id"]).save(chunk_size=2**24):
        assert not any(word in rest + chunk for word in words)
        rest = chunk[-longest:]


def test_the_image_of_a_model_of_another_environment_holds_both(
    stack: Stack, foreign: tuple[int, Any]
) -> None:
    number, truth = foreign
    tag = f"mlpipes-tests-{uuid.uuid4().hex[:8]}:old"
    given = ["--model", "people", "--version", str(number), "--tag", tag]
    told = stack.cli("build", *given, "--json", timeout=1800).ok().json
    try:
        with running(stack, told["id"]) as (container, url):
            foreign_model_help.compare(ask(url), truth)
            said = "import sklearn; print(sklearn.__version__)"
            its = container.exec_run(["/opt/mlpipes/environment/bin/python", "-c", said])[1].decode().strip()
            own = container.exec_run(["python", "-c", said])[1].decode().strip()
            assert its == truth["sklearn"] != own
        assert packages(stack, told["id"]) == packages(stack, "mlpipes-api:" + __version__)
    finally:
        stack.client.images.remove(tag, force=True)


def packages(stack: Stack, image: str) -> list[str]:
    """The layers of Python and of the API's packages."""
    python, whole = (
        stack.client.images.get(name).attrs["RootFS"]["Layers"]
        for name in (name_here(stack.client, "python"), image)
    )
    return list(whole[: len(python) + 4])


def test_without_a_database_it_says_so(stack: Stack, image: dict[str, Any]) -> None:
    run = ["docker", "run", "--rm", image["tag"]]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: MLPIPES_DATABASE_URL is not set; docker run -e MLPIPES_DATABASE_URL=")


def normal(pin: str) -> str:
    """``name==version`` with the name as package indexes normalise it."""
    name, _, number = pin.partition("==")
    return f"{re.sub(r'[-_.]+', '-', name).lower()}=={number}"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[push_registry.Registry]:
    """A registry for all pushes of this file, since an engine compresses each layer for each registry."""
    with push_registry.running(tmp_path_factory.mktemp("registry")) as running_registry:
        yield running_registry


def test_the_deploy_jobs_of_ci_push_it_and_put_it_in_place(
    stack: Stack, image: dict[str, Any], there: push_registry.Registry
) -> None:
    """GitHub's and GitLab's, by the files that the exports write; the image stays for the next test."""
    deploy = {"by": "image", "image": f"{there.host}/team/boxed", "command": 'echo "$IMAGE" > deployed'}
    settings = yaml.safe_load(SETTINGS) | {"serving": {"model": "boxed"}, "deploy": deploy}
    stack.cli("up", "--with", "none", timeout=1800).ok()  # its own API lacks packages of this model
    stack.rewrite(yaml.safe_dump(settings))
    (stack.root / "experiment.yaml").write_text("experiment: boxed\n")
    for system in ("github", "gitlab"):
        stack.cli("export", system).ok()
    results = stack.root / "ci-results"
    results.mkdir(exist_ok=True)
    (results / "promoted").write_text("true")
    login = {"REGISTRY_USER": push_registry.USER, "REGISTRY_PASSWORD": push_registry.PASSWORD}
    given = (stack.root, stack.cli, login, {"DOCKER_CONFIG": str(there.stranger)})
    hub, lab, placed = GitHub(*given), GitLab(*given), []
    try:
        assert hub.run("main", ["deploy"])[1:5] == [
            "Log in", "Build and push the image", "Deploy", "Summary"
        ]  # fmt: skip
        placed.append((stack.root / "deployed").read_text().strip())
        assert hub.summary.read_text().startswith(f"Image: {placed[0]}\n")
        (stack.root / "deployed").unlink()
        said = hub.said + lab.run("mlpipes:deploy")
        placed.append((stack.root / "deployed").read_text().strip())
        (results / "promoted").write_text("false")
        assert "no new version" in lab.run("mlpipes:deploy")
    finally:
        stack.rewrite(SETTINGS)
        for id in {one.id for one in stack.client.images.list(f"{there.host}/team/boxed")}:
            stack.client.images.remove(id, force=True)
    assert push_registry.PASSWORD not in said
    for name in placed:
        repository, _, digest = name.partition("@")
        assert repository == deploy["image"]
        assert digest == f"sha256:{hashlib.sha256(there.manifest('team/boxed', digest)).hexdigest()}"
    boxed = MlflowRegistry(Connection(tracking(stack))).model("boxed")
    assert boxed is not None
    tags = [one.tags.get(mlflow_tags.IMAGE) for one in boxed.versions]
    assert placed[1] in tags  # what `mlpipes history` shows


def test_an_image_is_pushed_and_a_pull_of_it_serves(
    stack: Stack,
    image: dict[str, Any],
    there: push_registry.Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Built again it takes what is there; then the registry has it, and an engine that lost it serves it."""
    number = str(image["model"]["version"])
    registry = MlflowRegistry(Connection(tracking(stack)))
    registry.set_version_tag("boxed", int(number), mlflow_tags.GIT_COMMIT, "1234abcd-dirty")
    names = [f"{there.host}/team/boxed:{tag}" for tag in (number, "newest")]
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))  # a folder without a login
    whole = BuiltImage(image["tag"], image["id"], 0, "")
    with pytest.raises(MlpipesError, match="requires a login") as refused:
        DockerImageBuilder().push(whole, names[1], Console())
    assert f"`docker login {there.host}`" in refused.value.hint

    given = ["--version", number, "--tag", image["tag"], "--push", names[0].rpartition(":")[0]]
    given += ["--push", names[1], "--sbom", str(tmp_path / "sbom.json"), "--json"]
    done = stack.cli(
        "build", "--model", "boxed", *given, env={"DOCKER_CONFIG": str(there.login)}, timeout=1800
    ).ok()
    assert push_registry.PASSWORD not in done.out + done.err
    told = done.json
    assert (told["model"]["alias"], told["model"]["commit"]) == ("", "1234abcd-dirty")
    assert told["tags"] == [image["tag"], *names]
    assert [one["name"] for one in told["pushed"]] == names
    layers = [stack.client.images.get(id).attrs["RootFS"]["Layers"] for id in (image["id"], told["id"])]
    assert layers[0][:3] == layers[1][:3]  # what pip has installed is in the third
    assert layers[1][-1] != layers[0][-1]  # the settings name the alias
    (digest,) = {one["digest"] for one in told["pushed"]}
    manifest = there.manifest("team/boxed", "newest")
    assert digest == f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    assert json.loads(manifest)["config"]["digest"] == told["id"]

    for one in (*told["tags"], told["id"], image["id"]):
        with contextlib.suppress(ImageNotFound):
            stack.client.images.remove(one, force=True)
    login = {"username": push_registry.USER, "password": push_registry.PASSWORD}
    pinned = f"{names[0].rpartition(':')[0]}@{digest}"
    pulled = stack.client.images.pull(pinned, auth_config=login)
    try:
        labels = pulled.labels
        assert labels["org.opencontainers.image.revision"] == "1234abcd-dirty"
        assert labels["org.opencontainers.image.version"] == number
        with running(stack, pulled.id) as (container, url):
            assert predict(url)["model"]["version"] == int(number)
            inside = container.exec_run(["cat", labels["io.mlpipes.sbom"]])[1].decode()
            frozen = container.exec_run(["pip", "freeze"])[1].decode().splitlines()
    finally:
        stack.client.images.remove(pulled.id, force=True)
    sbom = json.loads(inside)
    assert inside == (tmp_path / "sbom.json").read_text()
    libraries = {f"{one['name']}=={one['version']}" for one in sbom["components"] if one["type"] == "library"}
    assert libraries == {normal(line) for line in frozen if "==" in line}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--version", "99"], 1, "model 'people' has no version 99"),
        (["--alias", "staging"], 1, "model 'people' has no 'staging' version"),
        (["--model", "peeple"], 2, "there is no registered model 'peeple'; did you mean 'people'?"),
        (["--tag", "No Name"], 2, "--tag: 'No Name' is not a valid image name"),
        (["--alias", "production", "--version", "1"], 2, "--alias and --version cannot be combined"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(
    stack: Stack, served: str, arguments: list[str], code: int, words: str
) -> None:
    done = stack.cli("build", *arguments)
    assert done.code == code
    (line,) = done.err.splitlines()
    assert line.startswith(f"error: {words}")


def test_a_platform_that_the_engine_does_not_have(stack: Stack, served: str) -> None:
    done = stack.cli("build", "--platform", "nonsense/x")
    assert done.code == 1
    (line,) = [one for one in done.err.splitlines() if one.startswith("error")]
    assert "nonsense/x" in line or "unknown operating system or architecture" in line


def test_the_resolvers_own_words(stack: Stack, served: str) -> None:
    image_help.promoted(tracking(stack), "broken", f"{image_help.NEEDED}==999.0")
    done = stack.cli("build", "--model", "broken", timeout=600)
    assert done.code == 1
    (line,) = [one for one in done.err.splitlines() if one.startswith("error")]
    assert line.startswith("error: cannot resolve the packages of the model: ")
    assert f"there is no version of {image_help.NEEDED}==999.0" in line


def test_without_an_engine(stack: Stack, served: str) -> None:
    nowhere = {"DOCKER_HOST": "unix:///tmp/no-such-engine.sock"}
    done = stack.cli("build", env=nowhere)
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
