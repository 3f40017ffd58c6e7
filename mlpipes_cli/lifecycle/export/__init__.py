"""``mlpipes export``: what other tools run or show, as files."""
