"""Sends alerts by POST to a URL, in the format of Slack, of Teams, or as plain JSON."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli import hostnames
from mlpipes_cli.adapters.alerts import timed
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from mlpipes_cli.config.monitoring_alerts import Format

_CARD = "application/vnd.microsoft.card.adaptive"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A POST that is redirected would arrive as a GET without its body."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Webhook:
    """Implements :class:`mlpipes_cli.ports.alerts.Channel`.

    Args:
        url: The address.
        form: The format of the body.
        seconds: The most time for an answer, in seconds.
    """

    def __init__(self, url: str, form: Format, seconds: float = timed.SECONDS) -> None:
        self._url, self._form, self._seconds = url, form, seconds

    def send(self, message: Mapping[str, Any]) -> str | None:
        try:
            timed.within(self._seconds, lambda: self._post(body(message, self._form), str(message["event"])))
        except urllib.error.HTTPError as error:
            error.close()
            raise MlpipesError(f"the webhook answered HTTP {error.code}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise MlpipesError(f"the webhook cannot be reached ({timed.reason(error)})") from None
        return None

    def _post(self, value: Mapping[str, Any], event: str) -> None:
        proxies = urllib.request.ProxyHandler({} if hostnames.is_near(self._url) else None)
        headers = {"Content-Type": "application/json", "Idempotency-Key": event, "User-Agent": "mlpipes"}
        request = urllib.request.Request(  # noqa: S310  the settings take http and https only
            self._url, json.dumps(value).encode(), headers, method="POST"
        )
        with urllib.request.build_opener(proxies, _NoRedirects).open(request, timeout=self._seconds):
            pass


def body(message: Mapping[str, Any], form: Format) -> Mapping[str, Any]:
    """Return the body of a request: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
    https://learn.microsoft.com/power-automate/teams/create-adaptive-cards, or the message itself.
    """
    if form == "json":
        return message
    lines = str(message["text"])
    if form == "slack":
        plain = lines.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return {"text": plain}
    blocks = [
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line}]}
        for line in lines.splitlines()
    ]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": blocks}
    return {"type": "message", "attachments": [{"contentType": _CARD, "content": card}]}
