"""The error for a file that does not have the format of its extension."""

from __future__ import annotations


class Unreadable(Exception):
    """A file does not have the format of its extension; the text gives the reason."""

    def of(self, shown: str) -> str:
        """Return the whole message about a file of that name."""
        text = str(self)
        return f"{shown} {text}" if text.startswith(("is ", "has ")) else f"{shown}: {text}"

    @property
    def hint(self) -> str:
        """What to do if no setting can help."""
        return "correct the file"


class NoNames(Unreadable):
    """The first line of a CSV file is a row; the text says why."""

    def of(self, shown: str) -> str:
        """Return the whole message, with the settings."""
        way_out = "or set `header: false` (`data infer --no-header`) to read it as a row"
        return f"{super().of(shown)}; {self.hint}, {way_out}; `header: true` keeps it as names"

    @property
    def hint(self) -> str:
        return "add a line with the names"
