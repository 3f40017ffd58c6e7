"""Processes that outlive nobody: their entry point, their guard, and the reaper of what they leave."""
