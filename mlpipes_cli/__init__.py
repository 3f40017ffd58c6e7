"""mlpipes: the whole life of a model, from one command line."""

__version__ = "0.1.0"
