"""A stack that others run: found by the addresses in ``mlpipes.yaml``, checked, and left as it is."""
