"""``mlpipes performance``: what the deployed versions are worth on the predictions whose truth is known."""
