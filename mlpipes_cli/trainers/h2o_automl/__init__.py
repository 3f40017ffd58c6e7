"""H2O AutoML."""
