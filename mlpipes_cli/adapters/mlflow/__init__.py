"""MLflow's tracking server and registry, through its client and its REST API."""
