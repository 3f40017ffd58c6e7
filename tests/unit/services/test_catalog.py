"""The definitions of services: our own, and those that an installed package adds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlpipes_cli.adapters.docker.stack.settings import compose_file, port_settings
from mlpipes_cli.adapters.postgres import roles
from mlpipes_cli.compose import override, packages
from mlpipes_cli.compose.load import load
from mlpipes_cli.config.project import ProjectConfig, load_project_config
from mlpipes_cli.errors import ConfigError, MlpipesError, UsageError
from mlpipes_cli.lifecycle.stack import _merged
from mlpipes_cli.services import catalog
from mlpipes_cli.stack_state import StackState

DEFINITION = """
from pathlib import Path
from mlpipes_cli.services.definition import ContainerLimits, ServiceDefinition, ServiceSecret, tool_port
SERVICE = ServiceDefinition(
    name="cache", description="A cache.", ports=(tool_port("cache", 6379, 6379),),
    secrets=(ServiceSecret("CACHE_PASSWORD"),), url="redis://{host}:{port}/0",
    exports={"CACHE_URL": "redis://:{CACHE_PASSWORD}@{host}:{port}/0"},
    limits=ContainerLimits("256m", 0.5), compose=Path(__file__).with_name("cache.yaml"),
)
"""
COMPOSE = """
services:
  cache:
    image: redis:7.2-bookworm
    ports: ["${MLPIPES_CACHE_PORT:-6379}:6379"]
    mem_limit: ${MLPIPES_CACHE_MEMORY:-256m}
    volumes: ["cache:/data"]
    configs: [{source: cache, target: /etc/cache.conf, mode: 0440}]
    depends_on: [postgres]
volumes: {cache: }
configs: {cache: {content: "requirepass ${CACHE_PASSWORD:?is missing in .env}"}}
"""
VARIABLES = dict.fromkeys((*catalog.secrets(catalog.built_in()), "CACHE_PASSWORD"), "secret")
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a package on the path as an installer does: its module, its Compose file, its entry point."""

    def put(definition: str = DEFINITION, compose: str = COMPOSE, name: str = "cache") -> Path:
        (tmp_path / "cached_services.py").write_text(definition)
        (tmp_path / "cache.yaml").write_text(compose)
        about = tmp_path / "cached_services-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: cached-services\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[mlpipes.services]\n{name} = cached_services:SERVICE\n")
        monkeypatch.syspath_prepend(tmp_path)
        catalog._of_others.cache_clear()
        return tmp_path

    yield put
    catalog._of_others.cache_clear()
    sys.modules.pop("cached_services", None)


def test_our_services_are_in_the_order_of_their_roles() -> None:
    names = [one.name for one in catalog.built_in()]
    ours = ["postgres", "minio", "rustfs", "mlflow", "jupyter", "pgadmin", "api"]
    assert [name for name in names if name in ours] == ours
    assert {"api", "jupyter", "pgadmin"} == set(ours) & set(catalog.optional(others=False))
    assert (catalog.DATABASE, catalog.STORES, catalog.MLFLOW, catalog.API) == (
        "postgres", ("minio", "rustfs"), "mlflow", "api",
    )  # fmt: skip
    for one in catalog.built_in():
        assert {*one.needs} <= {*names}
        assert one.page is None or one.page in {port.inside for port in one.ports}
        assert one.login is None or one.login.secret in one.secret_names()
    assert set(catalog.get("postgres").secret_names()) == set(roles.SECRETS.values())


@pytest.mark.parametrize(
    ("service", "platform", "port"),
    [
        ("postgres", "linux", 5432),
        ("mlflow", "linux", 5000),
        ("mlflow", "darwin", 5001),
        ("postgres", "darwin", 5432),
    ],
)
def test_preferred_ports(service: str, platform: str, port: int) -> None:
    assert catalog.get(service).ports[0].default(platform) == port


def test_ports_are_set_in_the_file() -> None:
    config = ProjectConfig.model_validate(
        {
            "project": "x",
            "stack": {
                "object_store": {"engine": "rustfs", "console_port": 9100},
                "pgadmin": {"port": 8081, "memory": "2g"},
            },
            "serving": {"port": 8005},
        }
    )
    wanted = {(one.name, one.service): one.wanted for one in port_settings(config)}
    assert not any(service == "minio" for _, service in wanted)
    expected = {
        ("postgres", "postgres"): None,
        ("minio", "rustfs"): None,
        ("minio_console", "rustfs"): 9100,
        ("mlflow", "mlflow"): None,
        ("jupyter", "jupyter"): None,
        ("pgadmin", "pgadmin"): 8081,
        ("api", "api"): 8005,
    }
    assert {name: wanted[name] for name in expected} == expected
    assert config.stack.limits(catalog.get("pgadmin")).memory == "2g"


def test_clients_get_quoted_passwords_and_hear_of_missing_ones() -> None:
    database = catalog.get("postgres")
    url = "postgresql://mlpipes:a%2Fb%40c@[::1]:5433/mlpipes"
    secrets = {"MLPIPES_DB_PASSWORD": "a/b@c"}
    assert database.exported("[::1]", 5433, secrets) == {"MLPIPES_DATABASE_URL": url}
    assert database.address("[::1]", 5433) == "postgresql://[::1]:5433/mlpipes"
    with pytest.raises(MlpipesError, match=r"\.env: MLPIPES_DB_PASSWORD is missing"):
        database.exported("127.0.0.1", 5433, {"MLPIPES_DB_PASSWORD": ""})


def test_a_package_adds_a_service(install: Install) -> None:
    path = install() / "mlpipes.yaml"
    (cache,) = catalog.added()
    assert catalog.find("cache") is cache
    assert set(catalog.optional()) == {"cache", *catalog.optional(others=False)}
    assert "CACHE_PASSWORD" in catalog.secrets(catalog.everything())
    assert _merged(StackState(), "docker", ["cache"], None).services == ("cache",)
    with pytest.raises(UsageError, match="the embedded runtime has no such service"):
        _merged(StackState(), "embedded", ["cache"], None)

    path.write_text("project: x\nstack:\n  cache: {port: 7000, cpus: 2}\n")
    config = load_project_config(path)
    assert [one.wanted for one in port_settings(config) if one.service == "cache"] == [7000]
    limits = config.stack.limits(cache)
    assert (limits.memory, limits.cpus) == ("256m", 2.0)
    path.write_text("project: x\nstack:\n  cache: {prot: 7000}\n  cahce: {}\n")
    with pytest.raises(ConfigError) as caught:
        load_project_config(path)
    assert caught.value.problems == [
        f"{path}:3: stack -> cache -> prot: unknown key; did you mean 'port'?",
        f"{path}:4: stack -> cahce: unknown key; did you mean 'cache'?",
    ]
    assert ProjectConfig(project="x").stack.limits(cache) == cache.limits


def test_its_compose_file_is_added_to_ours(install: Install) -> None:
    folder = install()
    (cache,) = catalog.added()
    base = load(compose_file(), VARIABLES)
    whole = packages.extend(base, cache, folder / "cache.yaml", VARIABLES | {"MLPIPES_CACHE_PORT": "7000"})
    assert [*whole.services] == [*base.services, "cache"]
    assert whole.volumes == (*base.volumes, "cache")
    made = whole.services["cache"]
    assert [(one.host_port, one.port) for one in made.ports] == [(7000, 6379)]
    assert made.files[0].content == "requirepass secret"
    (folder / override.NAME).write_text("services:\n  cache: {image: x}\n")
    with pytest.raises(ConfigError, match="'cache' is a service of an installed package"):
        override.extend(base, folder / override.NAME, VARIABLES, ())


WRONG = {
    "another service": (
        "services:\n  redis: {image: x}\n",
        ["1: services: the service 'cache' is missing", "2: services -> redis: not supported: this file"],
    ),
    "no port": ("services:\n  cache: {image: x}\n", ["2: services -> cache -> ports: port 6379 of its"]),
    "our volume": (
        'services:\n  cache: {image: x, ports: ["6379:6379"]}\nvolumes: {postgres: }\n',
        ["3: volumes -> postgres: 'postgres' is a volume of mlpipes itself"],
    ),
    "a network": (
        'services:\n  cache: {image: x, ports: ["6379:6379"], network_mode: none}\n',
        ["2: services -> cache -> network_mode: not supported"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_in_its_file_are_named(install: Install, case: str) -> None:
    text, expected = WRONG[case]
    path = install(compose=text) / "cache.yaml"
    with pytest.raises(ConfigError) as caught:
        packages.extend(load(compose_file(), VARIABLES), catalog.added()[0], path, VARIABLES)
    assert len(caught.value.problems) == len(expected)
    for problem, words in zip(caught.value.problems, expected, strict=True):
        assert f"cache.yaml:{words}" in problem


@pytest.mark.parametrize(
    ("definition", "why"),
    [
        ("SERVICE = 1", "expected a ServiceDefinition named 'cache' with a Compose file"),
        ("import does_not_exist_here", "No module named 'does_not_exist_here'"),
        (DEFINITION.replace('name="cache"', 'name="other"'), "expected a ServiceDefinition named 'cache'"),
    ],
)
def test_a_package_that_is_broken_stops_nothing_but_its_own_service(
    install: Install, definition: str, why: str
) -> None:
    install(definition)
    assert catalog.added() == ()
    assert catalog.find("cache") is None
    assert _merged(StackState(), "docker", ["jupyter"], None).services == ("jupyter",)
    with pytest.raises(MlpipesError) as caught:
        _merged(StackState(), "docker", ["cache"], None)
    assert f"the service 'cache' of the package cached-services cannot be used: {why}" in caught.value.reason
    assert caught.value.hint == "update or uninstall cached-services"


def test_a_name_of_ours_stays_ours(install: Install) -> None:
    install(name="jupyter")
    assert catalog.find("jupyter") is catalog.get("jupyter")
    assert catalog.added() == ()
