"""``mlpipes data``: infer, load, check, prepare, profile, versions, diff."""
