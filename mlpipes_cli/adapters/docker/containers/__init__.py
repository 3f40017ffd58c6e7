"""Single containers: their specification, labels, logs, statistics, stop."""
