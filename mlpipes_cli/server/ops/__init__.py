"""What it takes to run the API for others: request ids and traces, metrics, logs, keys, CORS."""
