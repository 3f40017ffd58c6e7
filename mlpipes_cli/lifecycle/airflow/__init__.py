"""Airflow beside the stack: `up --with airflow`."""
