"""``mlpipes monitor``: compares what a model is asked with what it was trained on, and keeps the result."""
