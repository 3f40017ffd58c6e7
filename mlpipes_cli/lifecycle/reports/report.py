"""``mlpipes report``: a model card as Markdown with plots beside it, or as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli import output_files
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.reports import markdown, page
from mlpipes_cli.lifecycle.reports.card import ModelCard, collect

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.promotion.challenger import PromotionRequest
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.project import ProjectFolder

_MARKDOWN, _HTML = (".md", ".markdown"), (".html", ".htm")


@dataclass(frozen=True)
class ReportFile:
    """The file of a report.

    Attributes:
        output: A ``.md`` or ``.html`` file, which is replaced if it is such a report.
        force: Replace any regular file, and put plots into any folder.

    Raises:
        UsageError: It is another file, has another ending, or its folder does not exist.
    """

    output: Path
    force: bool = False

    def __post_init__(self) -> None:
        from mlpipes_cli.html_page.document import mark

        suffix = self.output.suffix.lower()
        if suffix not in (*_MARKDOWN, *_HTML):
            raise UsageError(
                f"--output: {self.output.name!r} ends in neither .md nor .html", "use such a name"
            )
        ours = mark(page.COMMAND) if suffix in _HTML else markdown.MARK
        output_files.check(self.output, ours, "a report of `mlpipes report`", force=self.force)
        if suffix in _MARKDOWN and not self.output.exists() and not self.force and self._is_in_use():
            raise UsageError(
                f"{self.plots}: the folder for the plots has other files",
                "choose another --output, or use it with --force",
            )

    @property
    def plots(self) -> Path:
        """The folder of the plots beside a Markdown file: ``card_files`` of ``card.md``."""
        return self.output.with_name(f"{self.output.stem}_files")

    def _is_in_use(self) -> bool:
        return self.plots.exists() and not (self.plots.is_dir() and not any(self.plots.iterdir()))

    def write(self, card: ModelCard, plots: Mapping[str, bytes]) -> None:
        """Write the report; a Markdown file comes after its plots.

        Raises:
            MlpipesError: A file cannot be written.
        """
        if self.output.suffix.lower() in _HTML:
            output_files.write(self.output, page.page(card, plots))
            return
        for name, content in plots.items():
            _write(self.plots / name, content)
        paths = {name: f"{self.plots.name}/{name}" for name in plots}
        output_files.write(self.output, markdown.text(card, paths))


def _write(file: Path, content: bytes) -> None:
    from mlpipes_cli.local_files import atomic_files

    try:
        file.parent.mkdir(exist_ok=True)
        with atomic_files.replacing(file) as opened:
            opened.write(content)
    except OSError as error:
        raise MlpipesError(f"{file}: {error.strerror}", "choose another --output") from None


def report(
    project: ProjectFolder, reporter: Reporter, request: PromotionRequest, file: ReportFile | None = None
) -> ModelCard:
    """Return the card of a run, and write it to a file if one is given; nothing else is changed.

    Args:
        project: The project whose stack is queried.
        reporter: Receives progress messages.
        request: Which run: the best of the newest experiment, as ``promote`` picks it, if it names none; and
            the alias whose version it is compared with.
        file: The file to write.

    Raises:
        UsageError: There is no such run, experiment, metric or alias.
        MlpipesError: The stack is not running, nothing was trained, or the file cannot be written.
    """
    card, plots = collect(project, reporter, request)
    if file is not None:
        file.write(card, plots)
    return card
