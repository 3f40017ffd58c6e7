"""The typed run of ``trainer: sklearn``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlpipes_cli.config.runs import DottedPath, Run


class SklearnRun(Run):
    """An estimator or pipeline with scikit-learn's interface, by dotted path."""

    trainer: Literal["sklearn"] = Field(description="Any estimator with scikit-learn's interface.")
    estimator: DottedPath = Field(description="The dotted path of the class.")
