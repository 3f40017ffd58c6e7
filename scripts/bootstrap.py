"""Make the environment from the lock file, then run a command in it.

    python3 scripts/bootstrap.py [--dev] [--times] [-- COMMAND ARGUMENT...]

Only the standard library, and neither pip nor ensurepip: a bare Debian has none of them. What is
installed is exactly what ``requirements.lock`` names, each file checked against its hash; when
nothing changed since the last time, it takes no time at all. See docs/adr/0026.

(This file has to be readable by older Pythons, which it then turns down with one clear line.)
"""

import base64
import configparser
import contextlib
import fcntl
import hashlib
import html
import json
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
VENV = Path(os.environ.get("MLPIPES_VENV", str(ROOT / ".venv")))
STAMP = VENV / ".bootstrap.json"
PUBLIC_INDEX = "https://pypi.org/simple"  # the default of pip and uv; the environment may name another
OLDEST, NEWEST = (3, 11), (3, 13)
NEEDED_BYTES = 2 * 1024**3


class Stop(Exception):
    """Cannot go on; the text is the one line to show."""


def main():
    started = time.monotonic()
    options, command = _arguments(sys.argv[1:])
    try:
        _need_python()
        made = make_environment(dev="--dev" in options)
    except Stop as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(_about_files(error))
    except KeyboardInterrupt:
        return _fail("stopped", 130)
    took = time.monotonic() - started
    if made:
        _say(f"environment ready in {took:.1f} s: {VENV.name}")
    return _run(command, took if "--times" in options else None) if command else 0


def _arguments(given):
    split = given.index("--") if "--" in given else len(given)
    unknown = [option for option in given[:split] if option not in ("--dev", "--times")]
    if unknown:
        sys.exit(
            _fail(f"unknown option {unknown[0]!r}; usage: bootstrap.py [--dev] [--times] [-- COMMAND...]", 2)
        )
    return given[:split], given[split + 1 :]


def _say(text):
    print(text, file=sys.stderr, flush=True)


def _fail(text, code=1):
    _say(f"error: {text}")
    return code


def _about_files(error):
    where = f"{error.filename}: " if error.filename else ""
    hints = {28: "; free some space (about 2 GB) and try again", 13: "; is the checkout yours to write to?"}
    return f"{where}{error.strerror or error}{hints.get(error.errno, '')}"


def _need_python():
    """Go on in a Python that fits: this one, else a sibling on PATH."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        other = shutil.which(f"python3.{minor}")
        if other:
            os.execv(other, [other, *sys.argv])
    raise Stop(
        f"Python 3.{OLDEST[1]} to 3.{NEWEST[1]} is needed and this is {platform.python_version()}; "
        "install one and say `make PYTHON=/path/to/python3.11 ...`"
    )


def _run(command, setup_seconds):
    """Run the command with the environment's programs first on PATH, and tell both times if asked."""
    program = VENV / "bin" / command[0]
    path = os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)])
    environ = {**os.environ, "PATH": path, "VIRTUAL_ENV": str(VENV)}
    environ["MLPIPES_CALLED_AS"] = os.path.relpath(program)  # for commands that tell what to call next
    environ.pop("PYTHONHOME", None)
    started = time.monotonic()
    process = subprocess.Popen([str(program), *command[1:]], env=environ)
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            continue  # the command got it too and is cleaning up
    if code == 0 and setup_seconds is not None:
        _say(f"time: set-up {setup_seconds:.1f} s, story {time.monotonic() - started:.1f} s")
    return code if code >= 0 else 128 - code


# The environment


def make_environment(dev):
    """Install what is missing; False if all of it was there."""
    fingerprint = _fingerprint()
    stamp = _read_stamp()
    if stamp.get("fingerprint") == fingerprint and (stamp.get("dev") or not dev):
        return False
    with _alone():
        return _bring_up_to_date(dev, fingerprint)


@contextlib.contextmanager
def _alone():
    """Two of us at once take turns."""
    with open(VENV.parent / (VENV.name + ".lock"), "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _bring_up_to_date(dev, fingerprint):
    stamp = _read_stamp()
    dev = dev or bool(stamp.get("dev"))
    if stamp.get("fingerprint") == fingerprint and stamp.get("dev") == dev:
        return False  # somebody else did it while we waited
    _need_space()
    if _read_python() != platform.python_version() or not (VENV / "bin" / "python").exists():
        _say("making the environment (a minute or two the first time)")
        make_venv()
    uv = find_uv()
    STAMP.unlink(missing_ok=True)
    _install(uv, dev)
    _check_against_lock()
    text = json.dumps({"fingerprint": fingerprint, "dev": dev})
    temporary = STAMP.with_suffix(".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(STAMP)
    return True


def _fingerprint():
    """Of all that decides what gets installed and where."""
    parts = [str(ROOT), platform.python_version(), sys.base_prefix]
    digest = hashlib.sha256("\n".join(parts).encode())
    for path in (LOCK, ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read_stamp():
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _need_space():
    folder = VENV if VENV.exists() else VENV.parent
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES and not (VENV / "bin" / "mlpipes").exists():
        raise Stop(
            f"{folder}: {free / 1e9:.1f} GB free, about 2 GB are needed; free some space and try again"
        )


def _read_python():
    """The version of the Python that the environment was made with, or an empty string."""
    try:
        text = (VENV / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+\.\d+)", text, re.MULTILINE)
    return found.group(1) if found else ""


def make_venv():
    import venv

    if VENV.exists() and not (VENV / "pyvenv.cfg").exists() and any(VENV.iterdir()):
        raise Stop(f"{VENV}: is in the way and is no Python environment; move it away")
    venv.EnvBuilder(clear=True, with_pip=False, symlinks=True).create(VENV)


def _install(uv, dev):
    """Exactly what the lock file says, no more, each file checked against its hash."""
    command = [uv, "pip", "install", "--quiet", "--python", str(VENV / "bin" / "python"), "--exact"]
    command += ["--compile-bytecode", "--constraints", str(LOCK), "--build-constraints", str(LOCK)]
    command += ["--require-build-hashes", "--editable", str(ROOT), *(["--group", "dev"] if dev else [])]
    if subprocess.run(command, cwd=ROOT, env=uv_environment(), stdin=subprocess.DEVNULL).returncode:
        raise Stop("the packages could not be installed, see above; check the network and try again")


def uv_environment():
    """The environment for uv: what pip would be told about the index and certificates, uv is told too."""
    environ = dict(os.environ)
    environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
    if not any(name in environ for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")):
        environ["UV_DEFAULT_INDEX"] = index_url()
    if certificates():
        environ.setdefault("SSL_CERT_FILE", certificates())
    for name in ("VIRTUAL_ENV", "PYTHONHOME", "UV_CONSTRAINT", "UV_NO_VERIFY_HASHES"):
        environ.pop(name, None)
    return environ


def _check_against_lock():
    """Every package that is there stands in the lock file with that version.

    uv checks the hashes of what the lock names; this makes sure that it names everything.
    """
    locked = dict(
        re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\\s]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    )
    strays = []
    for folder in sorted(VENV.glob("lib/python*/site-packages/*.dist-info")):
        name, version = folder.name[: -len(".dist-info")].split("-", 1)
        name = re.sub(r"[-_.]+", "-", name).lower()
        if name != "mlpipes" and locked.get(name) != version:
            strays.append(f"{name} {version}")
    if strays:
        raise Stop(f"not in requirements.lock: {', '.join(strays)}; run `make lock`")


# uv


def find_uv():
    """A uv of the locked version or later on PATH, else the locked one, fetched into the environment."""
    version, hashes = _locked_uv()
    for candidate in (shutil.which("uv"), str(VENV / "tools" / "uv")):
        if candidate and _uv_version(candidate) >= _numbers(version):
            return candidate
    return fetch_uv(version, hashes)


def _locked_uv():
    found = re.search(
        r"^uv==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}[ \\]*\n)+)", LOCK.read_text(), re.MULTILINE
    )
    if not found:
        raise Stop("requirements.lock: uv is not in it; take the file from the repository again")
    return found.group(1), set(re.findall(r"sha256:([0-9a-f]{64})", found.group(2)))


def _numbers(version):
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _uv_version(program):
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.match(r"uv (\d+\.\d+\.\d+)", done.stdout)
    return _numbers(found.group(1)) if done.returncode == 0 and found else ()


def fetch_uv(version, hashes):
    """Get uv's wheel from the package index, check it against the lock, unpack the one program in it."""
    page = urllib.parse.urljoin(index_url().rstrip("/") + "/", "uv/")
    address, digest = choose_wheel(page, _get(page).decode("utf-8"), version, hashes)
    body = _get(address)
    if hashlib.sha256(body).hexdigest() != digest:
        raise Stop(
            f"{_host(address)}: the file for uv {version} is not the one in requirements.lock; try again"
        )
    tools = VENV / "tools"
    tools.mkdir(exist_ok=True)
    wheel = tools / "uv.whl"
    wheel.write_bytes(body)
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".data/scripts/uv"))
        (tools / "uv.new").write_bytes(archive.read(name))
    wheel.unlink()
    (tools / "uv.new").chmod(0o755)
    (tools / "uv.new").replace(tools / "uv")
    return str(tools / "uv")


def choose_wheel(page, text, version, hashes):
    """The address and the hash of the wheel for this machine in a page of the simple index."""
    tag = wheel_tag()
    for attributes in re.findall(r"<a\s([^>]*)>", text):
        found = re.search(r"href\s*=\s*[\"']([^\"']+)[\"']", attributes)
        address = urllib.parse.urljoin(page, html.unescape(found.group(1))) if found else ""
        bare, _, fragment = address.partition("#")
        name = urllib.parse.unquote(bare.rsplit("/", 1)[-1])
        digest = fragment.rpartition("sha256=")[2]
        if name.startswith(f"uv-{version}-") and tag in name and digest in hashes:
            return bare, digest
    raise Stop(f"{_host(page)}: no uv {version} for {tag}; install uv by hand and try again")


def wheel_tag():
    """The part of a wheel's name that tells this machine's platform."""
    machine = platform.machine().lower()
    if sys.platform == "darwin":
        return f"macosx_11_0_{machine}" if machine == "arm64" else f"macosx_10_12_{machine}"
    if platform.libc_ver()[0] == "glibc":
        return {"aarch64": "manylinux2014_aarch64", "arm64": "manylinux2014_aarch64"}.get(
            machine, f"manylinux2014_{machine}"
        )
    return f"musllinux_1_1_{machine}"


# The package index


def index_url():
    """The package index: what uv or pip are told by the environment or pip's files, else the public one."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if os.environ.get(name):
            return os.environ[name].split("=", 1)[-1] if name == "UV_DEFAULT_INDEX" else os.environ[name]
    return _pip_setting("index-url") or PUBLIC_INDEX


def certificates():
    """The file of trusted certificates that the environment or pip's files name, or an empty string."""
    for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
        if os.environ.get(name):
            return os.environ[name]
    found = _pip_setting("cert") or ssl.get_default_verify_paths().cafile or ""
    return found if os.path.exists(found) else ""


def _pip_setting(name):
    home = Path(os.path.expanduser("~"))
    config = os.environ.get("XDG_CONFIG_HOME", str(home / ".config"))
    files = ["/etc/pip.conf", home / ".pip" / "pip.conf", Path(config) / "pip" / "pip.conf"]
    if os.environ.get("PIP_CONFIG_FILE"):
        files = [os.environ["PIP_CONFIG_FILE"]]
    parser = configparser.RawConfigParser()
    try:
        parser.read(files, encoding="utf-8")
        return parser.get("global", name, fallback="").strip()
    except (configparser.Error, OSError, UnicodeDecodeError):
        return ""


def _host(address):
    return urllib.parse.urlsplit(address).hostname or address


def _trust(secret):
    """How to check the other side. A bare Debian has no certificates at all: what we fetch is then
    judged by its hash in the lock file alone, which is enough unless a password would go out.
    """
    context = ssl.create_default_context(cafile=certificates() or None)
    folder = ssl.get_default_verify_paths().capath
    none = not certificates() and not (folder and os.path.isdir(folder) and os.listdir(folder))
    if none and not secret:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _get(address):
    """The body of an address; tried three times.

    Raises:
        Stop: It cannot be had; what to do is in the text.
    """
    parts = urllib.parse.urlsplit(address)
    request = urllib.request.Request(
        urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    )
    request.add_header("Accept", "text/html")
    if parts.username:
        login = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    context = _trust(secret=bool(parts.username))
    for attempt in (1, 2, 3):
        try:
            with urllib.request.urlopen(request, timeout=60, context=context) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise Stop(f"{_host(address)}: the package index answers {error.code} {error.reason}") from None
        except (urllib.error.URLError, OSError) as error:
            cause = getattr(error, "reason", error)
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise Stop(
                    f"{_host(address)}: its certificate is not trusted here; install the package "
                    "ca-certificates, or set SSL_CERT_FILE to your organisation's bundle"
                ) from None
            if attempt == 3:
                raise Stop(
                    f"{_host(address)}: the package index cannot be reached ({cause}); check the network, "
                    "or set PIP_INDEX_URL to an index that can be"
                ) from None
            time.sleep(attempt)
    raise AssertionError("unreachable")


if __name__ == "__main__":
    sys.exit(main())
