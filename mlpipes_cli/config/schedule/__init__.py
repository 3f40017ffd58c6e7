"""When something is done again: after a time, or by a cron expression."""
