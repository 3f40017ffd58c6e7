"""``kubernetes`` in ``mlpipes.yaml``."""
