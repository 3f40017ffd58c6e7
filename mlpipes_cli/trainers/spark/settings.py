"""The typed run of ``trainer: spark``; its params are held against Spark's own where Spark is."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mlpipes_cli.config.runs import Run
from mlpipes_cli.suggest import did_you_mean

NAMES = (
    "logistic_regression", "linear_regression", "decision_tree", "random_forest", "gradient_boosted_trees",
)  # fmt: skip


def _estimator(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", name):
        raise ValueError(f"{name!r} is not a name, a class or a dotted path of an estimator")
    if "." not in name and name == name.lower() and name not in NAMES:
        suggestion = did_you_mean(name, NAMES)
        raise ValueError(f"unknown estimator {name!r}{suggestion or '; use one of ' + ', '.join(NAMES)}")
    return name


def _master(url: str) -> str:
    if not re.fullmatch(r"local(\[(\d+|\*)\])?|spark://[^\s/]+|yarn|k8s://\S+", url):
        raise ValueError(f"{url!r} is not a valid master such as spark://host:7077 or local[2]")
    return url


SparkEstimator = Annotated[str, AfterValidator(_estimator)]
SparkMaster = Annotated[str, AfterValidator(_master)]


class SparkRun(Run):
    """An estimator of Spark ML, by name or dotted path, in this process or on a cluster."""

    trainer: Literal["spark"] = Field(description="Spark ML.")
    estimator: SparkEstimator = Field(description="A short name, a class of Spark ML, or a dotted path.")
    master: SparkMaster | None = Field(
        default=None, description="The cluster, such as spark://host:7077, or local[2]."
    )
