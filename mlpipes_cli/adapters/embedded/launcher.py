"""Run a program as an unprivileged account; this is a script, so it imports nothing of the package.

PostgreSQL refuses to run as root. Three ways give up root without changing the
permissions of the user's folders:

* ``account``: another account, without privileges.
* ``search`` and ``override``: another account that keeps exactly one capability, so that it can
  pass through folders that it has no permission for: CAP_DAC_READ_SEARCH, or CAP_DAC_OVERRIDE if
  only that one is held (as in an ordinary container).
* ``namespace``: a user namespace in which root has another user ID.

Usage: ``python -I -S launcher.py WAY UID GID PROGRAM ARGUMENT...``
"""

from __future__ import annotations

import ctypes
import os
import sys

_CAPABILITIES = {"override": 1, "search": 2}  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 8, 47, 2
_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, _SECBIT_KEEP_CAPS = 28, 4, 16
_CAPABILITY_VERSION_3 = 0x20080522
_CLONE_NEWUSER = 0x10000000


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _keep_one_capability(libc: ctypes.CDLL, number: int, uid: int, gid: int) -> None:
    """Change the account and keep one capability across the following exec."""
    _checked(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "prctl")
    # Without this bit access(2), with which initdb checks its programs, ignores the capability. If
    # the right to set the bit is missing, folders that all accounts can read still work.
    libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP | _SECBIT_KEEP_CAPS, 0, 0, 0)
    _become(uid, gid)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    mask = 1 << number
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)  # effective, permitted, inheritable; high words
    _checked(libc.capset(header, sets), "capset")
    _checked(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number, 0, 0), "prctl")


def _write(path: str, text: str) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def _enter_namespace(libc: ctypes.CDLL, uid: int, gid: int) -> None:
    """Enter a user namespace that maps the current account to another user ID and group ID."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    _checked(libc.unshare(_CLONE_NEWUSER), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {outer_uid} 1")
    _write("/proc/self/gid_map", f"{gid} {outer_gid} 1")


def main(arguments: list[str]) -> None:
    """Change the account, then replace this process with the program."""
    way, uid, gid, program = arguments[0], int(arguments[1]), int(arguments[2]), arguments[3:]
    if way == "account":
        _become(uid, gid)
    else:
        libc = ctypes.CDLL(None, use_errno=True)
        if way == "namespace":
            _enter_namespace(libc, uid, gid)
        else:
            _keep_one_capability(libc, _CAPABILITIES[way], uid, gid)
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.stderr.write(f"cannot change the account: {error.strerror}\n")
        sys.exit(126)
