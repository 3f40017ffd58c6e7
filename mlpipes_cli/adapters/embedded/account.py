"""Choose the account that PostgreSQL runs as: the current one, or an unprivileged one if that is root."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli.errors import MlpipesError

WAYS = ("account", "search", "override", "namespace")
_ACCOUNTS = ("postgres", "nobody", "daemon")
_LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True)
class Account:
    """Starts a program that refuses to run as root.

    Attributes:
        way: One of WAYS (see :mod:`.launcher`), or empty if the current account is not root.
        uid: The account's user ID, as the program sees it.
        gid: The account's group ID, as the program sees it.
        owner: The required owner of the program's files, as this process sees it: (uid, gid).
    """

    way: str = ""
    uid: int = -1
    gid: int = -1
    owner: tuple[int, int] = (-1, -1)

    def command(self, program: Sequence[str]) -> list[str]:
        """Return the program's command line, prefixed with the launcher if the account has to change."""
        if not self.way:
            return list(program)
        python = getattr(sys, "_base_executable", None) or sys.executable
        return [python, "-I", "-S", str(_LAUNCHER), self.way, str(self.uid), str(self.gid), *program]

    def own(self, folder: Path) -> None:
        """Change the owner of a file, or of a folder and its whole content, to the account."""
        if not self.way or _owner(folder) == self.owner:
            return
        if not folder.is_dir():
            os.chown(folder, *self.owner)
        for parent, _, files in os.walk(folder, topdown=False):
            for path in (*(Path(parent, name) for name in files), Path(parent)):
                os.chown(path, *self.owner, follow_symlinks=False)


def _owner(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_uid, found.st_gid


def _candidates() -> list[Account]:
    entry = next((found for name in _ACCOUNTS if (found := _entry(name))), None)
    if entry is None:
        return []
    uid, gid = entry.pw_uid, entry.pw_gid
    root = (os.geteuid(), os.getegid())
    return [Account(way, uid, gid, root if way == "namespace" else (uid, gid)) for way in WAYS]


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def find_account(program: Path, folder: Path) -> Account:
    """Return the least privileged way in which a program runs and can work in a folder below ``folder``.

    Each way is tested: the program has to print its version, and a file has to be created.

    Raises:
        MlpipesError: The current account is root and cannot switch to another account.
    """
    if os.geteuid() != 0:
        return Account()
    for account in _candidates():
        if _works(account, program, folder):
            return account
    raise MlpipesError(
        "PostgreSQL refuses to run as root, and root cannot switch to another account on this machine",
        "run mlpipes as an ordinary user, or allow setuid (a container needs --cap-add SETUID,SETGID,CHOWN)",
    )


def _works(account: Account, program: Path, folder: Path) -> bool:
    trial = folder / f"trial.{os.getpid()}"
    try:
        trial.mkdir(mode=0o700, exist_ok=True)
        account.own(trial)
        done = subprocess.run(
            account.command(
                ["/bin/sh", "-c", '"$0" --version && : >"$1"', str(program), str(trial / "file")]
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            cwd="/",
            check=False,
        )
        return done.returncode == 0 and (trial / "file").exists()
    except (OSError, subprocess.TimeoutExpired):
        return False
    finally:
        (trial / "file").unlink(missing_ok=True)
        if trial.exists():
            trial.rmdir()
