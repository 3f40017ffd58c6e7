"""The stack without mlpipes: ``docker run``, service by service, until all of them answer.

What somebody would write who knows in advance what to do: the docker program is called with ready command
lines, nothing is compared or chosen, and the databases, the bucket and MLflow's own user are made with the
statements that `mlpipes up` uses too. Run by measure.py: ``python bare.py PLAN_JSON``.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlpipes_cli.adapters.docker.stack.object_store import ObjectStoreClient
from mlpipes_cli.adapters.postgres.roles import SECRETS, complete, provision
from mlpipes_cli.adapters.processes.daemon import HttpProbe

HOST = "127.0.0.1"
PATIENCE = 180.0
PAUSE = 0.05  # as `mlpipes up` waits
SEARCH = ("POST", "/api/2.0/mlflow/experiments/search", '{"max_results": 1}')
USER = """set -e
export MC_CONFIG_DIR=$(mktemp -d) MC_HOST_store="http://$MINIO_ROOT_USER:$MINIO_ROOT_PASSWORD@127.0.0.1:9000"
mc admin user add store "$STORE_USER" "$STORE_SECRET"
printf '%s' "$STORE_POLICY" > "$MC_CONFIG_DIR/policy.json"
mc admin policy create store "$STORE_USER" "$MC_CONFIG_DIR/policy.json"
mc admin policy attach store "$STORE_USER" --user "$STORE_USER"
"""


def docker(*arguments: str) -> None:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"docker {arguments[0]} ended with {done.returncode}: {done.stderr}")


def wait(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"{what} does not answer")
        time.sleep(PAUSE)


def database(plan: dict[str, Any]) -> bool:
    """Whether PostgreSQL answers and has all that it shall have, which is made if it is not there."""
    import psycopg2

    def connect(user: str, name: str) -> Any:
        password = plan["secrets"][SECRETS[user]]
        return psycopg2.connect(
            host=HOST, port=plan["ports"]["postgres"], user=user, password=password, dbname=name,
            connect_timeout=5, sslmode="disable", gssencmode="disable",
        )  # fmt: skip

    if not plan["fresh"]:
        return complete(connect)
    with contextlib.suppress(psycopg2.OperationalError):
        provision(connect, plan["secrets"])
        return True
    return False


def store(plan: dict[str, Any]) -> bool:
    """Whether the object store answers and has its bucket, which is made if it is not there."""
    bucket = ObjectStoreClient(HOST, plan["ports"]["minio"], plan["bucket"])
    root = tuple(plan["root"])
    if not plan["fresh"]:
        return bucket.holds(root) == 200
    if bucket.ask("GET", "/", root) != 200:
        return False
    bucket.make_bucket(root)
    return True


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    docker("network", "create", plan["network"])
    if plan["fresh"]:
        for volume in plan["volumes"]:
            docker("volume", "create", volume)
    docker("run", *plan["run"]["postgres"])
    docker("run", *plan["run"]["minio"])
    wait("postgres", lambda: database(plan))
    wait("minio", lambda: store(plan))
    docker("run", *plan["run"]["mlflow"])
    if plan["fresh"]:
        values = [part for name, value in plan["user"].items() for part in ("--env", f"{name}={value}")]
        docker("exec", *values, plan["names"]["minio"], "sh", "-c", USER)
    probe = HttpProbe(*SEARCH)
    wait("mlflow", lambda: probe.ask(plan["ports"]["mlflow"], HOST))


if __name__ == "__main__":
    main()
