from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.local_files import env_file

SAME = {  # by us and by `docker compose --env-file`
    "A=b": "b",
    "A=": "",
    "A = b ": "b",
    "A=b c": "b c",
    "A=a=b==": "a=b==",
    "A=é": "é",
    "A=b\\": "b\\",
    "A=-_Zx9": "-_Zx9",
    "# A=c\n\nA=b\n": "b",
    "A=b\r\nB=c\r\n": "b",
    "\ufeffA=b": "b",
    "A=a\x85b": "a\x85b",
    "export A=b": "b",
    "export\tA=b": "b",
    "A=b # c": "b",
    "A=b#c": "b#c",
    "A=#c": "#c",
    'A="b # c"': "b # c",
    "A='b # c'": "b # c",
    'A="b" # c': "b",
    "A='b'# c": "b",
    'A=b"c"': 'b"c"',
    "A='$x'": "$x",
    "A='a\\nb'": "a\\nb",
    'A="a\\nb"': "a\nb",
    "A='a\\'b'": "a'b",
    'A="a\\"b"': 'a"b',
    'A="a\nb"': "a\nb",
    "A=b\nA=c": "c",
}
LITERAL = {"A=$x": "$x", "A=${x}": "${x}", 'A="$x"': "$x"}  # Compose replaces them


@pytest.mark.parametrize("text", [*SAME, *LITERAL])
def test_values(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".env"
    path.write_bytes(text.encode())
    assert env_file.read(path)["A"] == (SAME | LITERAL)[text]


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker")
def test_docker_compose_reads_them_alike(tmp_path: Path) -> None:
    """No engine is needed: Compose only prints what it read."""
    words = ["docker", "compose"]
    for number, text in enumerate(SAME):
        (tmp_path / f"{number}.env").write_bytes(text.replace("A", f"A{number}").encode())
        words += ["--env-file", str(tmp_path / f"{number}.env")]
    shown = {f"N{number}": f"${{A{number}}}" for number in range(len(SAME))}
    file = tmp_path / "compose.yaml"
    file.write_text(json.dumps({"services": {"a": {"image": "a", "environment": shown}}}))
    done = subprocess.run(
        [*words, "-f", str(file), "config", "--format", "json"], capture_output=True, text=True, check=False
    )
    if done.returncode and "compose" in done.stderr and "command" in done.stderr:
        pytest.skip("docker has no compose")
    found = json.loads(done.stdout)["services"]["a"]["environment"]
    assert [found[f"N{number}"].replace("$$", "$") for number in range(len(SAME))] == list(SAME.values())


@pytest.mark.parametrize(
    ("text", "line"), [('B=1\nA="b\n', 2), ("A='b", 1), ("=b", 1), ("A B=c", 1), ("B=1\n\n# c\nA='b' c", 4)]
)
def test_a_line_that_cannot_be_parsed_is_named(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / ".env"
    path.write_text(text)
    with pytest.raises(UsageError) as found:
        env_file.read(path)
    assert found.value.lines()[0].startswith(f"{path}:{line}: cannot be parsed")


def test_what_is_no_value_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A\n# B=1\n\nC=d\n")
    assert env_file.read(tmp_path / ".env") == {"C": "d"}
    assert env_file.read(tmp_path / "none") == {}
    (tmp_path / ".env").write_bytes(b"A=\xff")
    with pytest.raises(MlpipesError, match="cannot be read"):
        env_file.read(tmp_path / ".env")


@pytest.mark.parametrize("old", ["", "A=b\n", "A=b", "# c"])
def test_lines_are_added(tmp_path: Path, old: str) -> None:
    path = tmp_path / ".env"
    path.write_text(old)
    path.chmod(0o644)
    env_file.extend(path, {"X": "-1_y", "Y": "2"})
    assert env_file.read(path) == ({"A": "b"} if "A" in old else {}) | {"X": "-1_y", "Y": "2"}
    assert path.read_text().startswith(old)
    assert path.stat().st_mode & 0o777 == 0o600
