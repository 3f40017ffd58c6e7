"""Small pictures as SVG inside the page; what each shows is also there as text."""

from __future__ import annotations

from collections.abc import Sequence

_WIDTH, _HEIGHT = 240, 60


def histogram(rows: Sequence[int], label: str) -> str:
    """Return columns side by side, one for each bin.

    Args:
        rows: The rows of each bin.
        label: What is shown, escaped; for those who do not see it.
    """
    most = max(rows, default=0)
    width = _WIDTH / max(len(rows), 1)
    gap = min(1.0, width / 5)
    parts = []
    for position, count in enumerate(rows):
        if count:
            high = max(1.0, _HEIGHT * count / most)  # a bin with a single row can be seen
            parts.append(f"M{position * width:.1f} {_HEIGHT}v-{high:.1f}h{width - gap:.1f}v{high:.1f}z")
    return (
        f'<svg class="histogram" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img"'
        f' aria-label="{label}"><path d="{"".join(parts)}"/></svg>'
    )


def bar(part: float, low: float = 0.0) -> str:
    """Return a bar from ``low`` to ``part``, both from 0 to 1; the number stands beside it as text."""
    start, end = sorted(min(1.0, max(0.0, share)) for share in (low, part))
    return (
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect x="{100 * start:.1f}" width="{100 * (end - start):.1f}" height="8"/></svg>'
    )
