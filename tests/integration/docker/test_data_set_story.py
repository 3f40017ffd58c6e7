"""A data set in containers, from a bucket of the stack's own object store."""

from __future__ import annotations

import boto3
import data_story_help
import pytest

from .conftest import Stack

pytestmark = pytest.mark.slow


PIPELINE = """
pipeline: loans
steps:
  - {name: load, data: load}
  - {name: prepare, data: prepare, needs: [load]}
  - {name: train, train: loans.yaml, needs: [prepare]}
  - {name: card, report: card.html, needs: [train]}
  - {name: staging, promote: {metric: ks, to: staging}, needs: [card]}
  - {name: check, monitor: {model: loans, alias: staging, since: 1d}, needs: [staging], allow: [3]}
  - {name: again, promote: {metric: ks, to: staging}, when: {step: check, value: enough, equals: true}}
"""


def as_a_pipeline(stack: Stack, environment: dict[str, str]) -> None:
    """``mlpipes run`` finds all of it done: no row, version or model is made a second time."""
    (stack.root / "pipeline.yaml").write_text(PIPELINE)
    done = stack.cli("run", "--json", cwd=stack.root, env=environment, timeout=900).ok().json
    told = {step["name"]: (step["status"], step["result"]) for step in done["steps"]}
    assert [status for status, _ in told.values()] == [*["done"] * 6, "skipped"]
    rows = data_story_help.ROWS
    assert (told["load"][1]["rows"], told["load"][1]["added"]) == (rows, 0)
    assert told["prepare"][1]["version"] == 2
    assert told["card"][1]["run_id"] == told["train"][1]["runs"][0]["run_id"]
    assert (told["staging"][1]["outcome"], told["staging"][1]["to_version"]) == ("promoted", 1)
    assert "<!doctype html>" in (stack.root / "card.html").read_text()
    (run,) = stack.cli("runs", "--json", cwd=stack.root).ok().json
    assert (run["run"], run["status"]) == (done["run"], "done")


def test_from_a_bucket_to_predictions(fresh: Stack) -> None:
    fresh.up()
    told = fresh.cli("status", "--show-secrets", "--json", cwd=fresh.root).ok().json
    port = next(row["port"] for row in told["status"]["services"] if row["name"] == "minio")
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "mlpipes",
        "AWS_SECRET_ACCESS_KEY": told["secrets"]["MINIO_ROOT_PASSWORD"],
    }
    store = boto3.client(
        "s3", endpoint_url=environment["AWS_ENDPOINT_URL"], aws_access_key_id="mlpipes",
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1",
    )  # fmt: skip
    store.create_bucket(Bucket="sources")
    store.put_object(Bucket="sources", Key="deep/loans.csv", Body=data_story_help.table().encode())
    data_story_help.run(fresh.cli, fresh.root, "s3://sources/deep/loans.csv", environment)
    as_a_pipeline(fresh, environment)
    mounted = {
        mount["Name"]
        for one in fresh.containers().values()
        for mount in one.attrs["Mounts"]
        if mount.get("Name")
    }
    assert mounted <= set(
        fresh.volumes(secrets=True)
    )  # none without a name, which `down --volumes` would leave
