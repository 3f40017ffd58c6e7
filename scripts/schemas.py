"""Write the JSON Schemas of both files into the package: ``make schemas``."""

import sys
from pathlib import Path

from mlpipes_cli.config.schema import MODELS, schema_text

FOLDER = Path(__file__).resolve().parent.parent / "mlpipes_cli" / "schemas"


def main():
    FOLDER.mkdir(exist_ok=True)
    for name in MODELS:
        (FOLDER / f"{name}.json").write_text(schema_text(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
