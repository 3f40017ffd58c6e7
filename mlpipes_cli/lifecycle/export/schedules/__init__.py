"""Files by which cron and systemd run pipelines."""
