"""From the body of a request to the rows that a model takes."""
