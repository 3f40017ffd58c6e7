"""MLflow's scoring server as each of uvicorn's workers loads it, with our converter.

uvicorn finds this file by ``--app-dir``: the folder holds no other module. The environment is the model's,
which may have any version of Python and of MLflow, and not mlpipes.
"""

import importlib.util
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname


def _read_by_our_rules() -> None:
    entry = Path(__file__).resolve().parents[3] / "child_process" / "entry.py"
    spec = importlib.util.spec_from_file_location("mlpipes_entry", entry)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.introduce(entry.parent.parent)
    from mlflow.pyfunc import scoring_server

    from mlpipes_cli.server.scoring_server import parsers

    parsers.install(
        Path(url2pathname(urlsplit(os.environ[scoring_server._SERVER_MODEL_PATH]).path)), scoring_server
    )


try:
    _read_by_our_rules()
except Exception as error:  # noqa: BLE001  another Python, another MLflow: its own rules are better than no server
    words = " ".join(str(error).split())[:300] or type(error).__name__
    sys.stderr.write(f"warning: request values are read by MLflow's own rules: {words}\n")

from mlflow.pyfunc.scoring_server.app import app  # noqa: E402

__all__ = ["app"]
