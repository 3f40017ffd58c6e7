"""Start, find, probe and stop local processes that outlive the command that started them."""
