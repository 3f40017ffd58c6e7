"""``mlpipes export airflow``: a pipeline as a DAG of Airflow 3."""
