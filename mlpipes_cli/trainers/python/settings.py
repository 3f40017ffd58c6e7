"""The typed run of ``trainer: python``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mlpipes_cli.config.runs import FunctionPath, Run


class PythonRun(Run):
    """The user's own function, as ``module:function``."""

    trainer: Literal["python"] = Field(description="A function of yours.")
    function: FunctionPath = Field(
        description="The function that trains and returns a model, as module:function."
    )
