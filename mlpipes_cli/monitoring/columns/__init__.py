"""From two columns of values to cells that a test can count, with the faults of the data."""
