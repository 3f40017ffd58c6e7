"""Starts MLflow's server in its container: migrates the database where that is behind, then serves.

With MLFLOW_AUTH_ADMIN_PASSWORD, MLflow's basic authentication stands in front, its users live in the
same database, and the account `admin` always has the password that the environment gives. What keeps the
server from starting is told in one line, the last one of the log.
"""

import json
import os
import re
import signal
import sys
from pathlib import Path

REVISIONS = Path(__file__).with_name("revisions.json")  # {"head": ..., "known": [...]}, made with the image
AUTH_FILE = Path(os.environ.get("TMPDIR", "/tmp"), "basic_auth.ini")
ADMIN = "admin"
SETTINGS = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # clients reach the object store through this server alone
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "MALLOC_ARENA_MAX": "2",
}
PASSWORDS = (  # each may be in a file that NAME_FILE names, for this account alone to read
    "MLFLOW_BACKEND_STORE_URI",
    "AWS_SECRET_ACCESS_KEY",
    "MLFLOW_AUTH_ADMIN_PASSWORD",
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
)
PROGRAM = str(Path(__file__).with_name("one_process.py"))
SERVER = ["server", "--host", "0.0.0.0", "--port", "5000", "--workers", "1", "--serve-artifacts"]


class CannotStart(Exception):
    """The text is the one line to show."""


def main(arguments):
    if arguments == ["--note-revision"]:
        REVISIONS.write_text(json.dumps(installed_revisions()), encoding="utf-8")
        return 0
    try:
        read_passwords()
        os.environ.update(SETTINGS)
        address = database_address()
        found = look(address)
        migrate(address, found["revision"])
        command = [sys.executable, PROGRAM, *SERVER, *authentication(address, found["admin"])]
    except CannotStart as error:
        say(f"cannot start: {error}")
        return 1
    say("starting MLflow's server")
    return supervise(command)


def say(text):
    print(f"mlpipes: {text}", file=sys.stderr, flush=True)


def read_passwords():
    """What is in a file becomes a variable of this process and its children."""
    for name in PASSWORDS:
        path = os.environ.pop(f"{name}_FILE", "")
        if not path:
            continue
        if os.environ.get(name):
            raise CannotStart(f"both {name} and {name}_FILE are set; remove one of them")
        try:
            os.environ[name] = Path(path).read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise CannotStart(f"{name}_FILE: {path} cannot be read ({reason})") from None


# The database


def database_address():
    address = os.environ.get("MLFLOW_BACKEND_STORE_URI", "")
    if not re.match(r"postgresql(\+psycopg2)?://", address):
        raise CannotStart("MLFLOW_BACKEND_STORE_URI has to be the address of a PostgreSQL database")
    return address


def look(address):
    """What the database says: its revision and the hash of the admin's password, where there are such."""
    import psycopg2

    plain = address.replace("postgresql+psycopg2://", "postgresql://", 1)
    try:
        connection = psycopg2.connect(plain, connect_timeout=10)
    except psycopg2.Error as error:
        raise CannotStart(f"no connection to {place(address)}: {last_line(error)}") from None
    try:
        with connection, connection.cursor() as cursor:
            return {
                "revision": first(cursor, "alembic_version", "select version_num from alembic_version"),
                "admin": first(
                    cursor, "users", "select password_hash from users where username = %s", (ADMIN,)
                ),
            }
    except psycopg2.Error as error:
        raise CannotStart(f"{place(address)} does not answer: {last_line(error)}") from None
    finally:
        connection.close()


def first(cursor, table, query, values=()):
    """The first value that a query gives, None where its table is missing or empty."""
    cursor.execute("select to_regclass(%s)", (table,))
    if cursor.fetchone()[0] is None:
        return None
    cursor.execute(query, values)
    row = cursor.fetchone()
    return row[0] if row else None


def place(address):
    """The database without the secret in its address."""
    return "the database at " + re.sub(r"^[^/]*//(?:[^@/]*@)?", "", address)


def last_line(error):
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__


def migrate(address, revision):
    """Bring the tables to what this MLflow needs; an empty database is filled by the server itself."""
    revisions = known_revisions()
    if revision is None or revision == revisions["head"]:
        return
    if revision not in revisions["known"]:
        raise CannotStart(
            f"{place(address)} is of a newer MLflow (revision {revision}); "
            "use the image that wrote it, or restore a backup made before"
        )
    say(f"migrating the database from revision {revision} to {revisions['head']}")
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(address)
    try:
        _upgrade_db(engine)
    except Exception as error:
        raise CannotStart(
            f"the migration from revision {revision} failed: {last_line(error)}; "
            "restore the backup that was made before the upgrade"
        ) from error
    finally:
        engine.dispose()
    say("migrated")


def known_revisions():
    if REVISIONS.exists():
        return json.loads(REVISIONS.read_text(encoding="utf-8"))
    return installed_revisions()


def installed_revisions():
    """The revision that the installed MLflow needs, and all from which it can come."""
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    script = ScriptDirectory.from_config(_get_alembic_config(db_url=""))
    return {"head": script.get_current_head(), "known": [known.revision for known in script.walk_revisions()]}


# Authentication


def authentication(address, admin_hash):
    """The server's arguments; prepares what they need."""
    password = os.environ.get("MLFLOW_AUTH_ADMIN_PASSWORD", "")
    if not password:
        for name in ("MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY"):
            os.environ.pop(name, None)
        return []
    if not os.environ.get("MLFLOW_FLASK_SERVER_SECRET_KEY"):
        raise CannotStart("MLFLOW_FLASK_SERVER_SECRET_KEY is empty; authentication needs one")
    write_private(AUTH_FILE, auth_settings(address))
    os.environ.update(MLFLOW_AUTH_CONFIG_PATH=str(AUTH_FILE), MLFLOW_AUTH_ADMIN_USERNAME=ADMIN)
    if admin_hash is not None and not matches(admin_hash, password):
        follow_password(address, password)
    return ["--app-name", "basic-auth"]


def auth_settings(address):
    values = {
        "default_permission": "READ",
        "database_uri": address,
        "admin_username": ADMIN,
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        "auth_cache_ttl_seconds": "60",  # else each request computes a hash that is made to be slow
    }
    return "[mlflow]\n" + "".join(f"{name} = {value.replace('%', '%%')}\n" for name, value in values.items())


def write_private(path, text):
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)


def matches(password_hash, password):
    from werkzeug.security import check_password_hash

    return check_password_hash(password_hash, password)


def follow_password(address, password):
    """MLflow sets the admin's password once; ours is the one in the environment."""
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    say("the admin's password has changed")
    store = SqlAlchemyStore()
    try:
        store.init_db(address)
        store.update_user(ADMIN, password=password)
    except Exception as error:
        raise CannotStart(f"the admin's password cannot be set: {last_line(error)}") from error
    finally:
        if getattr(store, "engine", None) is not None:
            store.engine.dispose()


# The process


def supervise(command):
    """Run the server in a group of its own and pass a request to stop to all of it; its exit code."""
    asked = []
    child = os.posix_spawn(sys.executable, command, os.environ, setpgroup=0)

    def stop(number, _frame):
        asked.append(number)
        os.killpg(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not asked:
        say(f"the server ended by itself with code {code}")
    wait_for_group(child)
    return 0 if asked else (code if code > 0 else 1)


def wait_for_group(group):
    """The server's own children may still be answering their last requests."""
    try:
        os.killpg(group, signal.SIGTERM)
        while True:
            os.waitpid(-1, 0)
    except (ProcessLookupError, ChildProcessError):
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
