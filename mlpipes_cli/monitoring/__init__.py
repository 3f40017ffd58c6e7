"""Compare what a model is asked with its reference: drift, data quality and performance, without a stack."""
