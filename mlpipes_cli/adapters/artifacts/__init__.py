"""Where artifacts are kept: a folder, or a bucket."""
