"""The performance of a served model: live metrics against the holdout's, decay, segments, estimates."""
