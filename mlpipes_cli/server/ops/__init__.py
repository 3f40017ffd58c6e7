"""Operation of the API: request ids and traces, metrics, logs, keys, CORS."""
