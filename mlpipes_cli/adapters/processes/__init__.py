"""Processes of this machine: started so that they outlive us, found again, asked, ended."""
