"""The services of --with: a notebook that sees the stack, pgAdmin with the database registered."""

from __future__ import annotations

import http.cookiejar
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, Request, build_opener

import pytest
from docker_help import is_present, need_images
from stack_help import http as ask
from stack_help import query

import mlpipes_cli
from mlpipes_cli.local_files import env_file

if TYPE_CHECKING:
    from integration.docker.conftest import Stack

pytestmark = pytest.mark.slow
TOOLS = ("jupyter", "pgadmin")
NOTEBOOK_IMAGE = f"mlpipes-jupyter:{mlpipes_cli.__version__}"
AS_NOTEBOOKS = ("python", "/opt/mlpipes/start.py")  # with the passwords that notebooks have
NOTEBOOK = "/notebooks/example.ipynb"
EXECUTE = (*AS_NOTEBOOKS, "jupyter", "nbconvert", "--to", "notebook", "--execute", "--stdout", NOTEBOOK)


@pytest.fixture
def tools(stack: Stack) -> Stack:
    """The stack with both, wanted by name; the next test finds them there."""
    need_images(stack.client, "pgadmin4")
    known = is_present(stack.client, NOTEBOOK_IMAGE)
    up = stack.cli("up", "--with", ",".join(TOOLS), cwd=stack.root, timeout=1800)
    if up.code and not known and not is_present(stack.client, NOTEBOOK_IMAGE):
        pytest.skip(f"the image of the notebooks is missing and cannot be built: {up.err.splitlines()[-1]}")
    up.ok()
    return stack


def secret(stack: Stack, name: str) -> str:
    return env_file.read(stack.root / ".env")[name]


def execute(stack: Stack) -> str:
    """What the example notebook shows when all its cells have run where it is opened."""
    code, (said, errors) = stack.containers()["jupyter"].exec_run(list(EXECUTE), demux=True)
    assert code == 0, errors.decode()
    cells = json.loads(said)["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    texts = [output.get("text") or output["data"]["text/plain"] for output in outputs]
    return "\n".join("".join(text) for text in texts)


def test_a_notebook_sees_the_stack_without_settings(tools: Stack) -> None:
    assert "no champion yet" in execute(tools)
    env = tools.cli("env", "--json", cwd=tools.root).ok().json
    made = ask(f"{env['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/runs/create", "POST", b'{"experiment_id": "0"}')
    assert json.loads(made)["run"]["info"]["run_id"] in execute(tools)


def test_a_notebook_reads_the_database_and_changes_nothing(tools: Stack) -> None:
    query(tools.cli, tools.root, "create table if not exists raw_data.noted as select 7 as n")
    statement = "with database.connect() as link: print(*link.execute(sqlalchemy.text({!r})).one())"
    code, said = ask_database(tools, statement.format("select current_user, n from raw_data.noted"))
    assert (code, said) == (0, "mlpipes_reader 7")
    code, said = ask_database(tools, statement.format("delete from raw_data.noted returning n"))
    assert (code, "cannot execute DELETE in a read-only transaction" in said) == (1, True)
    read_write = "set transaction read write; delete from raw_data.noted returning n"
    code, said = ask_database(tools, statement.format(read_write))
    assert (code, "permission denied for table noted" in said) == (1, True)


def ask_database(stack: Stack, statement: str) -> tuple[int, str]:
    """Run a line of Python in the notebooks' container, with the example's connection."""
    begin = """import os, sqlalchemy
url = os.environ["MLPIPES_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://", 1)
database = sqlalchemy.create_engine(url)
"""
    command = [*AS_NOTEBOOKS, "python", "-c", begin + statement]
    code, said = stack.containers()["jupyter"].exec_run(command)
    return code, said.decode().strip()


def test_the_notebooks_ask_for_the_token(tools: Stack) -> None:
    url = tools.status()["jupyter"]["url"]
    token = secret(tools, "JUPYTER_TOKEN")
    with pytest.raises(OSError, match="HTTP Error 403"):
        ask(f"{url}/api/contents")
    found = json.loads(ask(f"{url}/api/contents?token={token}"))
    assert [one["name"] for one in found["content"]] == ["example.ipynb"]


class PgAdmin:
    """A browser that has logged in."""

    def __init__(self, url: str, account: str, password: str) -> None:
        self.url = url
        cookies = HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.browser: OpenerDirector = build_opener(ProxyHandler({}), cookies)
        form = {"email": account, "password": password, "internal_button": "Login"}
        form["csrf_token"] = self.token("/login", r'csrfToken": "([^"]+)"')
        with self.browser.open(f"{url}/authenticate/login", urlencode(form).encode(), timeout=30) as answer:
            self.page = answer.geturl()

    def token(self, path: str, pattern: str) -> str:
        with self.browser.open(f"{self.url}{path}", timeout=30) as answer:
            found = re.search(pattern, answer.read().decode())
        assert found, path
        return found.group(1)

    def ask(self, path: str, body: bytes | None = None) -> Any:
        headers = {"X-pgA-CSRFToken": self.token("/browser/js/utils.js", r"csrf_token'\] = '([^']+)'")}
        headers["Content-Type"] = "application/json"
        with self.browser.open(Request(f"{self.url}{path}", body, headers), timeout=60) as answer:
            return json.load(answer)

    def servers(self) -> list[dict[str, Any]]:
        """Those that are registered, in all groups."""
        groups = [row["_id"] for row in self.ask("/browser/nodes/")["data"]]
        return [row for group in groups for row in self.ask(f"/browser/server/nodes/{group}/")["result"]]

    def connect(self, server: dict[str, Any]) -> dict[str, Any]:
        """Open a registered server, giving no password."""
        return dict(self.ask(f"/browser/server/connect/{server['_pid']}/{server['_id']}", b"{}"))


def test_pgadmin_has_the_database_registered(tools: Stack) -> None:
    opened = tools.cli("open", "pgadmin", "--print", cwd=tools.root).ok()
    account = opened.err.split("log in as ")[1].split(";")[0]
    browser = PgAdmin(opened.out.strip(), account, secret(tools, "PGADMIN_PASSWORD"))
    assert browser.page.endswith("/browser/")
    pgpass = tools.containers()["pgadmin"].exec_run(["stat", "-c", "%a %u %g", "/etc/mlpipes/pgpass"])[1]
    assert pgpass == b"440 0 0\n"  # its own group is root's
    (server,) = browser.servers()
    assert server["label"] == "mlpipes"
    connected = browser.connect(server)
    assert connected["info"] == "Server connected."
    assert (connected["data"]["db"], connected["data"]["user"]["name"]) == ("mlpipes", "mlpipes")
    assert not connected["data"]["user"]["is_superuser"]
    stranger = PgAdmin(opened.out.strip(), account, "guessed")
    assert not stranger.page.endswith("/browser/")


def test_pages_are_named_without_secrets(tools: Stack) -> None:
    status = tools.status()
    assert [status[name]["state"] for name in TOOLS] == ["running"] * 2
    for name in TOOLS:
        opened = tools.cli("open", name, "--print", cwd=tools.root).ok()
        assert opened.out.strip() == status[name]["url"]
        assert not any(
            secret(tools, one) in opened.out + opened.err for one in ("JUPYTER_TOKEN", "PGADMIN_PASSWORD")
        )
    assert "pgadmin4:9.16" in status["pgadmin"]["image"]
    assert "JUPYTER_TOKEN" in tools.cli("open", "jupyter", "--print", cwd=tools.root).err
    shown = tools.cli("status", "--show-secrets", cwd=tools.root).ok().out
    assert f"JUPYTER_TOKEN={secret(tools, 'JUPYTER_TOKEN')}" in shown


def test_down_removes_them_and_up_remembers_them(tools: Stack) -> None:
    writing = ["sh", "-c", "echo mine > /notebooks/mine.txt"]
    assert tools.containers()["jupyter"].exec_run(writing)[0] == 0
    stopped = tools.cli("down", "--json", cwd=tools.root).ok().json["stopped"]
    assert {*TOOLS} < {*stopped}
    assert tools.containers() == {}
    assert {*TOOLS} < {change.split(":")[0] for change in tools.up().json["changes"]}
    assert {row["state"] for row in tools.status().values()} == {"running"}
    assert tools.containers()["jupyter"].exec_run(["cat", "/notebooks/mine.txt"])[1] == b"mine\n"
    assert tools.up().json["changes"] == []


def test_none_drops_them_and_leaves_the_rest_alone(tools: Stack) -> None:
    before = tools.ids()
    dropped = tools.cli("up", "--with", "none", "--json", cwd=tools.root).ok().json
    assert dropped["changes"] == [f"{name}: removed, since it is no longer configured" for name in TOOLS]
    assert tools.ids() == {name: id for name, id in before.items() if name not in TOOLS}
    assert not {*TOOLS} & {*tools.status()}
    assert tools.up().json["changes"] == []
    assert tools.cli("open", "jupyter", "--print", cwd=tools.root).code == 2
