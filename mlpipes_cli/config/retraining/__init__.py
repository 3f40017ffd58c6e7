"""``monitoring: retrain`` in ``mlpipes.yaml``."""
