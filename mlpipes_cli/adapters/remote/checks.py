"""Runs all checks of a remote stack concurrently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from mlpipes_cli.adapters.remote import bucket, mlflow, postgres
from mlpipes_cli.adapters.remote.addresses import RemoteAddresses
from mlpipes_cli.ports import Check, ServiceStatus, State


def examine(addresses: RemoteAddresses) -> list[Check]:
    """Return doctor's checks of the services, in a fixed order; they run concurrently."""
    questions: list[Callable[[], list[Check]]] = [
        lambda: postgres.examine(addresses.database),
        lambda: mlflow.examine(addresses.mlflow, addresses.login),
        lambda: _bucket(addresses),
    ]
    with ThreadPoolExecutor(len(questions)) as threads:
        return [check for found in threads.map(lambda ask: ask(), questions) for check in found]


def _bucket(addresses: RemoteAddresses) -> list[Check]:
    if addresses.bucket is not None:
        return bucket.examine(addresses.bucket)
    fix = (
        "to check it, set stack -> object_store in mlpipes.yaml, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )
    return [Check(bucket.NAME, "ok", f"not checked: only MLflow needs access to it ({fix})")]


def read_status(addresses: RemoteAddresses) -> tuple[ServiceStatus, ...]:
    """Return the present status of the services."""
    rows: list[tuple[str, str, Callable[[], bool]]] = [
        (postgres.NAME, addresses.shown_database, lambda: _answers(addresses.database)),
        (mlflow.NAME, addresses.mlflow, lambda: mlflow.answers(addresses.mlflow, addresses.login)),
    ]
    if (found := addresses.bucket) is not None:
        rows.append((bucket.NAME, found.endpoint or f"s3://{found.name}", lambda: bucket.answers(found)))
    with ThreadPoolExecutor(len(rows)) as threads:
        works = list(threads.map(lambda row: row[2](), rows))
    return tuple(_row(name, url, works=good) for (name, url, _), good in zip(rows, works, strict=True))


def _answers(url: str) -> bool:
    return all(check.level != "fault" for check in postgres.examine(url)[:1])


def _row(name: str, url: str, *, works: bool) -> ServiceStatus:
    state: State = "running" if works else "failed"
    detail = "" if works else "it does not answer correctly; `mlpipes doctor` shows the cause"
    return ServiceStatus(
        name, state, url=url if works else None, detail=detail, health="healthy" if works else "unhealthy"
    )


def failures(checks: Sequence[Check]) -> list[str]:
    """Return one line for each fault."""
    return [
        f"{check.name}: {check.found}" + (f"; {check.fix}" if check.fix else "")
        for check in checks
        if check.level == "fault"
    ]
