"""Sends alerts as mail by SMTP."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mlpipes_cli import hostnames
from mlpipes_cli.adapters.alerts import timed
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    import smtplib
    from email.message import EmailMessage

_TOTAL = 30.0


class Mail:
    """Implements :class:`mlpipes_cli.ports.alerts.Channel`.

    Args:
        server: ``smtp://user:password@host:port`` or ``smtps://...``.
        sender: The sender's address.
        to: The receivers' addresses.
    """

    def __init__(self, server: str, sender: str, to: Sequence[str]) -> None:
        self._server, self._sender, self._to = server, sender, list(to)

    def send(self, message: Mapping[str, Any]) -> str | None:
        import smtplib

        try:
            refused: Mapping[str, Any] = timed.within(_TOTAL, lambda: self._send(message))
        except smtplib.SMTPResponseException as error:  # its text may name the user
            raise MlpipesError(f"the mail server answered {error.smtp_code}") from None
        except smtplib.SMTPRecipientsRefused:
            raise MlpipesError("the mail server refused every address") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise MlpipesError(f"the mail server cannot be reached ({timed.reason(error)})") from None
        return f"{len(refused)} of {len(self._to)} addresses were refused" if refused else None

    def _send(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        parts = urlsplit(self._server)
        link = self._connect(parts.scheme, parts.hostname or "", parts.port)
        try:
            if parts.username:
                link.login(unquote(parts.username), unquote(parts.password or ""))
            return link.send_message(self._mail(message), self._sender, self._to)
        finally:
            with contextlib.suppress(Exception):  # the mail is accepted, whatever the goodbye says
                link.quit()

    def _connect(self, scheme: str, host: str, port: int | None) -> smtplib.SMTP:
        import smtplib
        import ssl

        context = ssl.create_default_context()
        if scheme == "smtps":
            return smtplib.SMTP_SSL(host, port or 465, timeout=timed.SECONDS, context=context)
        link = smtplib.SMTP(host, port or 587, timeout=timed.SECONDS)
        try:
            link.ehlo_or_helo_if_needed()
            if link.has_extn("starttls"):
                link.starttls(context=context)
            elif urlsplit(self._server).username and not hostnames.is_near(self._server):
                raise MlpipesError("the mail server offers no TLS for the password", "use smtps://")
        except BaseException:
            link.close()
            raise
        return link

    def _mail(self, message: Mapping[str, Any]) -> EmailMessage:
        from email.message import EmailMessage
        from email.utils import formatdate

        text = str(message["text"])
        mail = EmailMessage()
        mail["Subject"] = " ".join(text.splitlines()[0].split())[:200]
        mail["From"], mail["To"] = self._sender, ", ".join(self._to)
        mail["Date"] = formatdate()
        name = hashlib.sha256(str(message["event"]).encode()).hexdigest()[:32]
        mail["Message-ID"] = f"<{name}@{self._sender.rpartition('@')[2]}>"  # the same in a repeated mail
        mail.set_content(text)
        return mail
