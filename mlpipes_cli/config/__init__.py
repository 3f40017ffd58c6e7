"""The user's two files, typed; mistakes carry file, line and path, all at once."""
