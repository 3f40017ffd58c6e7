"""What was understood of an experiment's data, and what in it is likely a mistake."""

from mlpipes_cli.data.understanding.understand import Understanding, understand

__all__ = ["Understanding", "understand"]
