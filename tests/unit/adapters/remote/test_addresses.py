from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlpipes_cli.adapters.remote import addresses
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.project import ProjectFolder, find_project

Make = Callable[..., ProjectFolder]
MLFLOW, POSTGRES = "https://mlflow.example", "postgresql://me@db.example:5433/data"


@pytest.fixture
def make(make_project: Callable[..., Path]) -> Make:
    def made(
        mlflow: str = MLFLOW, postgres: str = POSTGRES, store: str = "{}", env: str = ""
    ) -> ProjectFolder:
        root = make_project(
            f"project: p\nruntime: remote\nstack:\n  mlflow: {{url: '{mlflow}'}}\n"
            f"  postgres: {{url: '{postgres}'}}\n  object_store: {store}\n",
            "p",
        )
        (root / ".env").write_text(env)
        return find_project(root)

    return made


def test_variables_are_filled_in_from_the_environment_then_the_file(make: Make) -> None:
    project = make(
        mlflow="https://${USER_NAME}:$TOKEN@mlflow.example/sub/", env="TOKEN=of the file\nUSER_NAME=a@b\n"
    )
    found = addresses.resolve(project, {"TOKEN": "p/w"})
    assert found.mlflow == "https://mlflow.example/sub"
    assert found.login == {"MLFLOW_TRACKING_USERNAME": "a@b", "MLFLOW_TRACKING_PASSWORD": "p/w"}


def test_a_whole_address_may_be_a_variable(make: Make) -> None:
    project = make(postgres="$DATABASE", env="DATABASE=postgresql://me:p%40w@db/data?sslmode=require\n")
    assert addresses.resolve(project, {}).database == "postgresql://me:p%40w@db/data?sslmode=require"


def test_a_host_with_its_port_may_be_a_variable(make: Make) -> None:
    project = make(mlflow="http://$HOST/sub", postgres="postgresql://me:$PASSWORD@$HOST/data")
    found = addresses.resolve(project, {"HOST": "host.example:5000", "PASSWORD": "a:b@c"})
    assert found.mlflow == "http://host.example:5000/sub"
    assert found.database == "postgresql://me:a%3Ab%40c@host.example:5000/data"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql+psycopg2"])
def test_the_password_of_the_database_comes_beside_it(make: Make, scheme: str) -> None:
    project = make(postgres=f"{scheme}://me@db.example:5433/data", env="MLPIPES_DB_PASSWORD=a b/c\n")
    found = addresses.resolve(project, {})
    assert found.database == "postgresql://me:a%20b%2Fc@db.example:5433/data"
    assert found.shown_database == "postgresql://me@db.example:5433/data"
    assert "a%20b" not in repr(found)


def test_one_in_the_address_goes_before_it(make: Make) -> None:
    project = make(postgres="postgresql://me:mine@db/data", env="MLPIPES_DB_PASSWORD=other\n")
    assert addresses.resolve(project, {}).database == "postgresql://me:mine@db/data"


@pytest.mark.parametrize("store", ["{}", "{engine: rustfs}"])
def test_keys_of_something_else_are_not_used_where_no_bucket_is_told(make: Make, store: str) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert addresses.resolve(make(store=store), keys).bucket is None


def test_a_bucket_of_aws(make: Make) -> None:
    project = make(store="{bucket: models, region: eu-central-1, prefix: mlflow/}")
    assert addresses.resolve(project, {}).bucket is None
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "hidden"}
    found = addresses.resolve(project, keys).bucket
    assert found == addresses.BucketAddress(None, "models", "mlflow/", "eu-central-1", ("a", "hidden"))
    assert "hidden" not in repr(found)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mlflow": "https://$NOWHERE"}, "stack -> mlflow -> url: the variable NOWHERE is not set"),
        ({"mlflow": "ftp://mlflow"}, "stack -> mlflow -> url: is not a valid address"),
        ({"mlflow": "mlflow.example"}, "stack -> mlflow -> url: is not a valid address"),
        ({"postgres": "postgresql://me@db:port/data"}, "stack -> postgres -> url: is not a valid address"),
        ({"postgres": "postgresql://db.example/data"}, "stack -> postgres -> url: the user or the database"),
        ({"postgres": "postgresql://me@db.example"}, "stack -> postgres -> url: the user or the database"),
        ({"store": "{url: 's3.example'}"}, "stack -> object_store -> url: is not a valid address"),
    ],
)  # fmt: skip
def test_mistakes_are_named(make: Make, changed: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        addresses.resolve(make(**changed), {})
    assert [said in problem for problem in wrong.value.problems] == [True], wrong.value.problems


def test_all_mistakes_at_once(make: Make) -> None:
    with pytest.raises(ConfigError) as wrong:
        addresses.resolve(make(mlflow="$A", postgres="postgresql://me:$B@db/x"), {})
    assert len([p for p in wrong.value.problems if "the variable" in p]) == 2


@pytest.mark.parametrize(
    ("url", "literal"),
    [
        ("postgresql://me:word@db/x", True),
        ("postgresql://me:$WORD@db/x", False),
        ("postgresql://me:${WORD}@db/x", False),
        ("postgresql://me@db/x", False),
        ("postgresql://me:a$b@db/x", True),
    ],
)
def test_a_password_in_the_file_is_seen(make: Make, url: str, literal: bool) -> None:
    assert addresses.secrets_in_file(make(postgres=url)) == (["stack -> postgres -> url"] if literal else [])
