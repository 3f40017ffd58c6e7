"""Predictors that answer exactly like a scikit-learn pipeline of ``mlpipes train``, without frames.

A compiled predictor is used only if :func:`check` found that it gives the model's own answers on the
holdout's rows, which training stores in the model's folder.
"""

from mlpipes_cli.server.compiled.base import Compiled, CompiledScores
from mlpipes_cli.server.compiled.build import compile_model
from mlpipes_cli.server.compiled.checking import check, sample_rows
from mlpipes_cli.server.compiled.sample import Sample, read_sample

__all__ = ["Compiled", "CompiledScores", "Sample", "check", "compile_model", "read_sample", "sample_rows"]
