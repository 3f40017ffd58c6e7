"""The prediction API: wire formats, models, prediction log. It reaches the database only through ports."""
