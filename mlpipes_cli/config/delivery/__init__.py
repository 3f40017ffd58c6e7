"""``deploy`` in ``mlpipes.yaml``: how a new version of a model reaches its users."""
