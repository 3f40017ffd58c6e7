"""Tables that fit the terminal: columns are shortened or left out by priority, and cells are never wrapped.

On a terminal a table is as wide as the terminal; in a pipe or a file it is as wide as it needs to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

_GAP = 2  # characters between two columns


@dataclass(frozen=True)
class Column:
    """A column, and how it may shrink on a narrow terminal.

    Attributes:
        name: The heading.
        drop: 0 always stays; of the others the highest number is left out first.
        least: Number of characters to which cells may be shortened; None does not shorten them.
        right: Whether to align to the right, as for numbers.
    """

    name: str
    drop: int = 0
    least: int | None = None
    right: bool = False


@dataclass
class FittedTable:
    """A table for rich to print, laid out for the available width.

    Attributes:
        columns: In order.
        title: The line above the table.
        caption: The line below the table.
        heading: Whether column names are shown.
    """

    columns: Sequence[Column]
    title: str = ""
    caption: str = ""
    heading: bool = True
    _rows: list[tuple[list[str], str]] = field(default_factory=list, init=False)
    _styles: dict[tuple[int, int], str] = field(default_factory=dict, init=False)
    _sections: set[int] = field(default_factory=set, init=False)

    def add(self, *cells: str, style: str = "", styles: Mapping[int, str] | None = None) -> None:
        """Add a row; ``styles`` sets the style of single cells, by position."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        for position, cell_style in (styles or {}).items():
            self._styles[len(self._rows), position] = cell_style
        self._rows.append(([" ".join(cell.split()) for cell in cells], style))

    def section(self) -> None:
        """Draw a line below the last row."""
        self._sections.add(len(self._rows) - 1)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        widths = fit(self._natural(), self.columns, options.max_width)
        if self.title:
            yield Text(self.title, style="italic")
        table = self._table(widths)
        whole = sum(widths.values()) + _GAP * (len(widths) + 1)
        yield from console.render(table, options.update(width=max(whole, options.max_width)))
        if self.caption:
            yield Text(self.caption, style="dim")
        hidden = [column.name for at, column in enumerate(self.columns) if at not in widths]
        if hidden:
            yield Text(f"hidden columns: {', '.join(hidden)}: widen the terminal or use --json", style="dim")

    def _natural(self) -> list[int]:
        from rich.cells import cell_len

        heads = [cell_len(column.name) if self.heading else 0 for column in self.columns]
        return [max([head, *(cell_len(row[at]) for row, _ in self._rows)]) for at, head in enumerate(heads)]

    def _table(self, widths: Mapping[int, int]) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(
            box=box.SIMPLE_HEAD if self.heading else None,
            show_header=self.heading,
            show_edge=False,
            padding=(0, 1, 0, 0),
            pad_edge=False,  # else a line that fills the terminal is one character wider than it
        )
        for at, width in widths.items():
            column = self.columns[at]
            justify = "right" if column.right else "left"
            table.add_column(
                Text(column.name),
                width=width,
                no_wrap=True,
                overflow="ellipsis",
                justify=justify,  # type: ignore[arg-type]
            )
        for number, (row, style) in enumerate(self._rows):
            cells = [Text(row[at], style=self._styles.get((number, at), "")) for at in widths]
            table.add_row(*cells, style=style, end_section=number in self._sections)
        return table


def fit(natural: Sequence[int], columns: Sequence[Column], room: int) -> dict[int, int]:
    """Return the widths of the visible columns, by position.

    Cells are shortened before a column is left out. If the columns that must stay are wider than ``room``,
    the table is wider than ``room``.

    Args:
        natural: The width that each column needs, in characters.
        columns: The columns.
        room: The width of the terminal, in characters.
    """
    shown = list(range(len(columns)))
    while True:
        space = room - _GAP * (len(shown) - 1)
        least = [_least(natural[at], columns[at]) for at in shown]
        if sum(least) <= space:
            return dict(zip(shown, _share(space, [natural[at] for at in shown], least), strict=True))
        most = max((columns[at].drop for at in shown), default=0)
        if most == 0:
            return dict(zip(shown, least, strict=True))
        shown.remove(next(at for at in reversed(shown) if columns[at].drop == most))


def _least(natural: int, column: Column) -> int:
    return natural if column.least is None else min(natural, max(column.least, len(column.name)))


def _share(space: int, natural: Sequence[int], least: Sequence[int]) -> Iterable[int]:
    """Return widths that fit: of the columns that may shrink, the widest is shortened first."""
    widths = list(natural)
    while sum(widths) > space:
        at = max(
            (at for at in range(len(widths)) if widths[at] > least[at]), key=lambda position: widths[position]
        )
        widths[at] -= 1
    return widths
