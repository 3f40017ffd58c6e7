"""From the body of a request to the input rows of a model."""
