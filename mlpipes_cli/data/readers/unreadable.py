"""The error for a file that does not have the format of its extension."""

from __future__ import annotations


class Unreadable(Exception):
    """A file does not have the format of its extension; the text gives the reason."""

    def of(self, shown: str) -> str:
        """Return the whole message about a file of that name."""
        text = str(self)
        return f"{shown} {text}" if text.startswith(("is ", "has ")) else f"{shown}: {text}"
