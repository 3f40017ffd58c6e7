"""``python -m mlpipes_cli`` and the ``mlpipes`` binary."""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # A first answer is mostly imports, which make no garbage; and we have no plugins of pydantic.
    gc.set_threshold(200_000, 20, 20)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        from mlpipes_cli.cli.app import run
    except KeyboardInterrupt:  # so early that nothing was begun
        sys.exit(130)

    code = run()
    gc.freeze()  # the process ends: nothing to search for garbage once more
    sys.exit(code)


if __name__ == "__main__":
    main()
