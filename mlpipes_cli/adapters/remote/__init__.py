"""The remote runtime: services that others operate, addressed in ``mlpipes.yaml``, checked, never changed."""
