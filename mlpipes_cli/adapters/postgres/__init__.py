"""The project's own database: its schema, the prediction log, ground truth, API keys, notifications."""
