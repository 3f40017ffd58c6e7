"""``monitoring: alerts`` in ``mlpipes.yaml``: to whom an alarm goes."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from mlpipes_cli.config.base import Strict

Format = Literal["slack", "teams", "json"]
_WAYS = ("webhook", "email", "command")


def _mailbox(text: str) -> str:
    if not re.fullmatch(r"[^\s@<>,;]+@[^\s@<>,;]+", text):
        raise ValueError(f"{text!r} is not a mail address such as team@example.com")
    return text


def _url(text: str, schemes: tuple[str, ...], example: str) -> str:
    if not text.startswith(("$", *(f"{scheme}://" for scheme in schemes))):
        raise ValueError(f"expected an address such as {example}, or $NAME")
    return text


Mailbox = Annotated[str, AfterValidator(_mailbox)]


class AlertChannel(Strict):
    """One channel: a webhook, mail or a command."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")] = Field(
        description="The channel's name: letters, digits, - and _, at most 63 characters."
    )
    webhook: str | None = Field(
        default=None,
        description="The URL that gets each alert by POST. `$NAME` is taken from the environment, else from"
        " `.env`.",
    )
    format: Format = Field(
        default="json", description="What a webhook gets: a message of Slack or Teams, or plain JSON."
    )
    email: Annotated[tuple[Mailbox, ...], Field(max_length=50)] | None = Field(
        default=None, description="The mail addresses that get each alert."
    )
    smtp: str | None = Field(
        default=None,
        description="With `email`: the mail server, `smtp://user:password@host:587` or `smtps://...`. `$NAME`"
        " is taken from the environment, else from `.env`.",
    )
    sender: Mailbox | None = Field(
        default=None, alias="from", description="With `email`: the sender's address."
    )
    command: str | None = Field(
        default=None,
        description="A program with arguments that gets each alert as JSON on its standard input; it runs in"
        " the project's folder, without a shell.",
    )

    @field_validator("webhook")
    @classmethod
    def _is_web(cls, url: str | None) -> str | None:
        return None if url is None else _url(url, ("http", "https"), "https://hooks.example.com/...")

    @field_validator("smtp")
    @classmethod
    def _is_mail(cls, url: str | None) -> str | None:
        return (
            None if url is None else _url(url, ("smtp", "smtps"), "smtps://user:$PASSWORD@mail.example.com")
        )

    @field_validator("command")
    @classmethod
    def _is_command(cls, text: str | None) -> str | None:
        if text is not None and not shlex.split(text):  # raises ValueError for a quote that is not closed
            raise ValueError("is empty")
        return text

    @model_validator(mode="after")
    def _goes_one_way(self) -> AlertChannel:
        given = [way for way in _WAYS if getattr(self, way)]
        if len(given) != 1:
            raise ValueError(f"alert {self.name!r} needs one of `webhook`, `email` and `command`")
        if given == ["email"] and not (self.smtp and self.sender):
            raise ValueError(f"alert {self.name!r}: `email` needs `smtp` and `from`")
        if given != ["email"] and (self.smtp or self.sender):
            raise ValueError(f"alert {self.name!r}: `smtp` and `from` are for `email`")
        if given != ["webhook"] and "format" in self.model_fields_set:
            raise ValueError(f"alert {self.name!r}: `format` is for `webhook`")
        return self
