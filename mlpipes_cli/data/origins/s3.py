"""Reads tables from S3 buckets (AWS or a compatible server, by AWS_ENDPOINT_URL)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.data.csv_files.header import Unreadable
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.origins.files import Read, read_table
from mlpipes_cli.data.origins.source_location import AT
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.local_files import temporary_folders


def load_s3(name: str, data: Data, source: YamlSource, environ: Mapping[str, str], formats: Formats) -> Read:
    """Read ``bucket/key``; the key's extension determines the file format.

    Raises:
        ConfigError: There is no such bucket or key, or the object is not a table.
        MlpipesError: No credentials, no access, or the server cannot be reached.
    """
    with temporary_folders.folder("mlpipes-download-") as folder:
        path = download(name, folder, source, environ)
        try:
            return read_table(path, formats, f"s3://{name}", data.id)
        except Unreadable as error:
            raise wrong(source, AT, error.of(f"s3://{name}")) from None


def download(
    name: str, folder: Path, source: YamlSource, environ: Mapping[str, str], at: Location = AT
) -> Path:
    """Stream ``bucket/key`` to a file of the folder, named after the last part of the key.

    Raises:
        ConfigError: There is no such bucket or key.
        MlpipesError: No credentials, no access, or the server cannot be reached.
    """
    bucket, _, key = name.partition("/")
    path = folder / key.rsplit("/", 1)[-1]
    with _reaching(bucket, key, source, at), path.open("wb") as file:
        body = _client(environ).get_object(Bucket=bucket, Key=key)["Body"]
        for block in body.iter_chunks(1 << 20):
            file.write(block)
    return path


@contextmanager
def _reaching(bucket: str, key: str, source: YamlSource, at: Location) -> Iterator[None]:
    """Turn the errors of S3 into lines of the file that names the object."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    def failed(what: str, fix: str) -> MlpipesError:
        return MlpipesError(source.problem(at, f"s3://{bucket}/{key}: {what}"), fix)

    try:
        yield
    except (NoCredentialsError, PartialCredentialsError):
        fix = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        raise failed("no AWS credentials", fix) from None
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code == "NoSuchBucket":
            raise wrong(source, at, f"s3://{bucket}: no such bucket") from None
        if code in {"NoSuchKey", "404"}:
            raise wrong(source, at, f"s3://{bucket}/{key}: no such key in the bucket") from None
        message = error.response.get("Error", {}).get("Message") or code
        raise failed(
            f"the server refused the request ({code}: {message})",
            "check the credentials and the bucket's policy",
        ) from None
    except (BotoCoreError, ValueError) as error:
        shown = " ".join(str(error).split())
        raise failed(shown, "check the network, AWS_REGION and AWS_ENDPOINT_URL") from None


def _client(environ: Mapping[str, str]) -> Any:
    import boto3
    from botocore.config import Config

    session = boto3.session.Session(
        aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environ.get("AWS_SESSION_TOKEN"),
        region_name=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        profile_name=environ.get("AWS_PROFILE"),
    )
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    # servers other than AWS get /bucket/key, since their hostname has no subdomain for a bucket
    style = {"addressing_style": "path"} if endpoint else {}
    retries: Any = {"total_max_attempts": 2}
    config = Config(connect_timeout=5, read_timeout=60, retries=retries, s3=style)
    return session.client("s3", endpoint_url=endpoint, config=config)
