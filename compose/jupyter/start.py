"""Starts a command with the passwords that files hold in its environment: ``start.py COMMAND ...``.

Whatever runs in a notebook finds the variables as if the container had them.
"""

import os
import sys
from pathlib import Path

PASSWORDS = ("JUPYTER_TOKEN", "MLFLOW_TRACKING_PASSWORD", "MLPIPES_DATABASE_URL")


def main(command):
    for name in PASSWORDS:
        path = os.environ.pop(f"{name}_FILE", "")
        try:
            if path:
                os.environ[name] = Path(path).read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            sys.exit(f"cannot start: {name}_FILE: {path} cannot be read ({reason})")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
