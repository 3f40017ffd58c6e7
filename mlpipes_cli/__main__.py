"""``python -m mlpipes_cli`` and the ``mlpipes`` binary."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from mlpipes_cli.cli.app import run

    sys.exit(run())


if __name__ == "__main__":
    main()
