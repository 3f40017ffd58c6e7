"""What a project's models may be loaded, and who says so."""
