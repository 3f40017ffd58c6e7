"""Write the JSON Schemas of our files into the package: ``make schemas``; ``--check`` only compares."""

import sys
from pathlib import Path

from mlpipes_cli.config.schema import MODELS, schema_text

FOLDER = Path(__file__).resolve().parent.parent / "mlpipes_cli" / "schemas"


def main():
    stale = []
    for name in MODELS:
        path, text = FOLDER / f"{name}.json", schema_text(name)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
            if "--check" not in sys.argv[1:]:
                path.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv[1:]:
        print(f"not current: {', '.join(stale)}; run `make schemas`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
