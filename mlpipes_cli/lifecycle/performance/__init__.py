"""``mlpipes performance``: metrics of deployed versions on predictions whose ground truth is known."""
