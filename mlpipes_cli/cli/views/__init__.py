"""What a terminal shows: tables, progress, the views of commands."""
