"""Processes that end with their parent: their entry point, their guard, and the reaper of what they leave."""
