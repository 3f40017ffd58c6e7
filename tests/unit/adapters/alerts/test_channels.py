"""Alerts to real servers on this machine: webhooks, a mail server, and a command."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from waiting import free_port

from mlpipes_cli.adapters.alerts import channels, webhooks
from mlpipes_cli.adapters.alerts.commands import Command
from mlpipes_cli.adapters.alerts.mail import Mail
from mlpipes_cli.adapters.alerts.webhooks import Webhook
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.project import ProjectFolder, find_project

MESSAGE = {"event": "alarm:7", "kind": "alarm", "text": "alarm: <model> & more\nage changed: location"}


@contextmanager
def web(*codes: int, hang: threading.Event | None = None) -> Iterator[tuple[str, list[tuple[Any, Any]]]]:
    """A server that answers with these codes in turn; its address, and the headers and bodies it got."""
    got: list[tuple[Any, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), json.loads(text)))
            if hang is not None:
                hang.wait(30)
            self.send_response(codes[min(len(got), len(codes)) - 1])
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook?token=secret", got
        finally:
            if hang is not None:
                hang.set()
            server.shutdown()


def test_a_webhook_gets_the_message_and_the_event() -> None:
    with web(204) as (url, got):
        Webhook(url, "json").send(MESSAGE)
    ((headers, body),) = got
    assert body == MESSAGE and headers["Idempotency-Key"] == "alarm:7"


@pytest.mark.parametrize(("code", "said"), [(500, "HTTP 500"), (302, "HTTP 302"), (403, "HTTP 403")])
def test_a_webhook_that_does_not_accept(code: int, said: str) -> None:
    with web(code) as (url, got), pytest.raises(MlpipesError) as raised:
        Webhook(url, "json").send(MESSAGE)
    assert raised.value.reason == f"the webhook answered {said}" and len(got) == 1


def test_a_webhook_that_hangs_ends_in_time() -> None:
    with web(200, hang=threading.Event()) as (url, _), pytest.raises(MlpipesError) as raised:
        Webhook(url, "json", 0.3).send(MESSAGE)
    assert "no answer" in raised.value.reason and "secret" not in raised.value.reason


def test_a_webhook_that_is_not_there() -> None:
    with pytest.raises(MlpipesError, match=r"cannot be reached \(Connection refused\)"):
        Webhook(f"http://127.0.0.1:{free_port()}/secret", "json").send(MESSAGE)


def test_the_formats() -> None:
    assert webhooks.body(MESSAGE, "slack") == {
        "text": "alarm: &lt;model&gt; &amp; more\nage changed: location"
    }
    (part,) = webhooks.body(MESSAGE, "teams")["attachments"]
    texts = [block["inlines"][0]["text"] for block in part["content"]["body"]]
    assert texts == MESSAGE["text"].splitlines()


class _Smtp(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a mail needs, with a login."""

    def handle(self) -> None:
        server: Any = self.server
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line.split(b" ")[0].strip().upper()
            server.lines.append(line.decode().strip())
            if word == b"EHLO":
                self.wfile.write(b"250-here\r\n250 AUTH PLAIN\r\n")
            elif word == b"AUTH":
                self.wfile.write(server.login)
            elif word == b"RCPT":
                self.wfile.write(b"550 no\r\n" if b"gone@" in line else b"250 ok\r\n")
            elif word == b"DATA":
                self.wfile.write(b"354 go\r\n")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += self.rfile.readline()
                server.mails.append(text.decode())
                self.wfile.write(b"250 ok\r\n")
                if server.rude:
                    return
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


@contextmanager
def smtp(login: bytes = b"235 ok\r\n", *, rude: bool = False) -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp) as server:
        here: Any = server
        here.lines, here.mails, here.login, here.rude, here.daemon_threads = [], [], login, rude, True
        here.url = f"smtp://ana:p%40ss@127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield here
        finally:
            server.shutdown()


@pytest.mark.parametrize("rude", [False, True])
def test_a_mail_arrives_also_if_the_server_ends_without_a_goodbye(rude: bool) -> None:
    with smtp(rude=rude) as server:
        assert Mail(server.url, "ml@example.com", ["a@example.com", "b@example.com"]).send(MESSAGE) is None
    (mail,) = server.mails
    assert "Subject: alarm: <model> & more\r\n" in mail and "age changed: location" in mail
    assert "rcpt TO:<b@example.com>" in server.lines and any("AUTH PLAIN" in line for line in server.lines)


def test_mails_that_are_refused() -> None:
    with smtp() as server:
        some = Mail(server.url, "ml@example.com", ["a@example.com", "gone@example.com"])
        assert some.send(MESSAGE) == "1 of 2 addresses were refused"
        with pytest.raises(MlpipesError, match="refused every address"):
            Mail(server.url, "ml@example.com", ["gone@example.com"]).send(MESSAGE)
    with smtp(b"535 ana is unknown\r\n") as server, pytest.raises(MlpipesError) as raised:
        Mail(server.url, "ml@example.com", ["a@example.com"]).send(MESSAGE)
    assert raised.value.reason == "the mail server answered 535"


def test_a_command_reads_the_message(tmp_path: Path) -> None:
    Command("tee 'of alerts.json'", tmp_path).send(MESSAGE)
    assert json.loads((tmp_path / "of alerts.json").read_text()) == MESSAGE


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("sh -c 'exit 4'", "exited with code 4"),
        ("none-such", "cannot be started (No such file or directory)"),
        ("sh -c 'sleep 60 & wait'", "did not end within 0.3 seconds"),
    ],
)
def test_a_command_that_fails(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(MlpipesError) as raised:
        Command(line, tmp_path, 0.3).send(MESSAGE)
    assert said in raised.value.reason


def _project(folder: Path, url: str) -> ProjectFolder:
    (folder / "mlpipes.yaml").write_text(
        f"project: tests\nmonitoring: {{alerts: [{{name: team, webhook: '{url}'}}]}}\n"
    )
    return find_project(folder)


def test_secrets_come_from_the_environment_or_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOOK_OF_TESTS", raising=False)
    team = channels.make(_project(tmp_path, "$HOOK_OF_TESTS"))["team"]
    with pytest.raises(MlpipesError, match="webhook: the variable HOOK_OF_TESTS is not set"):
        team.send(MESSAGE)
    (tmp_path / ".env").write_text("HOOK_OF_TESTS=file:///etc/hosts\n")
    with pytest.raises(MlpipesError, match="webhook: the address is not a valid http or https URL"):
        team.send(MESSAGE)
    with web(200) as (url, got):
        (tmp_path / ".env").write_text(f"HOOK_OF_TESTS={url}\n")
        team.send(MESSAGE)
    assert len(got) == 1
