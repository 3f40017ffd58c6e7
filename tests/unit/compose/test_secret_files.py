"""Which service gets which file with a password."""

from __future__ import annotations

import pytest

from mlpipes_cli.compose.model import ConfigFile, Mount, Service
from mlpipes_cli.compose.secret_files import TARGET, spread


def services(content: str) -> dict[str, Service]:
    step = Service("secrets", "x", step="secrets", files=(ConfigFile(content, "/passwords"),))
    own = Service("db", "x", volumes=(Mount("data", "/data"), Mount("db-secrets", TARGET, True)))
    return {"secrets": step, "db": own, "front": Service("front", "x")}


def test_a_service_gets_its_own_lines_as_files_of_its_account() -> None:
    made = spread(services("999 db/PASSWORD=a=b c \n7 front/TOKEN=x\n999 db/EMPTY=\n"))
    assert made["db"].volumes == (Mount("data", "/data"),)
    assert made["db"].secret_volume == "db-secrets"
    assert made["db"].secrets == (
        ConfigFile("a=b c ", f"{TARGET}/PASSWORD", 0o400, 999),
        ConfigFile("", f"{TARGET}/EMPTY", 0o400, 999),
    )
    assert (made["front"].secrets, made["front"].secret_volume) == ((), None)  # it has no such volume
    assert "a=b c" not in repr(made)


def test_a_file_without_the_step_has_none() -> None:
    found = spread({"db": services("")["db"]})["db"]
    assert (found.secrets, found.secret_volume) == ((), "db-secrets")


@pytest.mark.parametrize("line", ["db/PASSWORD=x", "root db/PASSWORD=x", "999 PASSWORD=x", "999 db/=x"])
def test_a_line_of_another_shape_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="10002 mlflow/NAME=value"):
        spread(services(line))
