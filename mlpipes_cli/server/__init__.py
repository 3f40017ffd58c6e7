"""The prediction API: wire formats, model, prediction log; it sees the database through a port only."""
