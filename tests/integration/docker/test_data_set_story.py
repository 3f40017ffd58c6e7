"""A data set in containers, from a bucket of the stack's own object store."""

from __future__ import annotations

import boto3
import data_story_help
import pytest

from .conftest import Stack

pytestmark = pytest.mark.slow


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
    mounted = {
        mount["Name"]
        for one in fresh.containers().values()
        for mount in one.attrs["Mounts"]
        if mount.get("Name")
    }
    assert mounted <= set(
        fresh.volumes(secrets=True)
    )  # none without a name, which `down --volumes` would leave
