"""Handle single containers: specification, labels, logs, statistics, shell, stop."""
