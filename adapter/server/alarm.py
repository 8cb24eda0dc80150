"""Alarms told to people: by a webhook, by e-mail, in the log, and at `/operator/alarms`.

Two looks a minute at what the store says, one a day through the whole trail. What could not be told is told
at the next look. A notice holds a code, counts, times and ids of organisations, nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, Protocol

from adapter.errors import AdapterError
from adapter.fhir import json as fhir_json
from adapter.outcome import Issue
from adapter.relay import alarm
from adapter.relay.alarm import Limits, Notice, Phase
from adapter.relay.transport import Outbound
from adapter.server import log
from adapter.server.access import Right
from adapter.server.desk import answer
from adapter.server.route import Operators, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from adapter.outcome import Language
    from adapter.relay.deployment import Relay
    from adapter.relay.transport import Transport
    from adapter.server.doors import Doors

LOOK_SECONDS = 30.0
TELL_SECONDS = 15.0
"""Longest time for one telling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that is POSTed a JSON object for each notice."""

    url: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A mail server and who is written to. Beyond this machine it must offer STARTTLS."""

    host: str
    port: int
    sender: str
    to: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    is_local: bool = False
    """True for a server on this machine, which needs no TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSettings:
    """From when on something is an alarm, and who hears of it; the log does in any case."""

    limits: Limits = field(default_factory=Limits)
    language: Language = "en"
    webhook: Webhook | None = None
    mailbox: Mailbox | None = None


class Bell(Protocol):
    """A way to tell people."""

    async def ring(self, said: dict[str, Any]) -> bool:
        """Tell them; False if that is not certain."""
        ...


class WebhookBell:
    """POSTs the notice as JSON; any 2xx is taken as heard."""

    def __init__(self, webhook: Webhook, transport: Transport) -> None:
        self._webhook = webhook
        self._transport = transport

    async def ring(self, said: dict[str, Any]) -> bool:
        """Tell it; False for another answer, or none."""
        headers = {"Content-Type": "application/json"}
        if self._webhook.token is not None:
            headers["Authorization"] = f"Bearer {self._webhook.token}"
        request = Outbound(
            url=self._webhook.url,
            headers=headers,
            body=fhir_json.write(said),
            deadline_seconds=TELL_SECONDS,
        )
        try:
            got = await self._transport.send(request)
        except AdapterError:
            return False
        return 200 <= got.status < 300


class MailBell:
    """Writes an e-mail; without TLS only to this machine."""

    def __init__(
        self,
        mailbox: Mailbox,
        tls: ssl.SSLContext | None = None,
        write: Callable[[dict[str, Any], Mailbox], EmailMessage] | None = None,
    ) -> None:
        self._mailbox = mailbox
        self._tls = tls
        self._write = write or letter

    async def ring(self, said: dict[str, Any]) -> bool:
        """Write it; False if the mail server did not take it for everybody."""
        try:
            return await asyncio.to_thread(self._send, self._write(said, self._mailbox))
        except (OSError, smtplib.SMTPException):
            return False

    def _send(self, message: EmailMessage) -> bool:
        box = self._mailbox
        with smtplib.SMTP(box.host, box.port, timeout=TELL_SECONDS) as server:
            if not box.is_local:
                server.starttls(context=self._tls or ssl.create_default_context())
            if box.user is not None and box.password is not None:
                server.login(box.user, box.password)
            return not server.send_message(message)


def letter(said: dict[str, Any], mailbox: Mailbox) -> EmailMessage:
    """Return the e-mail of a notice."""
    message = EmailMessage()
    message["Subject"] = f"[{said['adapter']} {said['mode']}] {said['alarm']} {said['phase']}: {said['text']}"
    message["From"] = mailbox.sender
    message["To"] = ", ".join(mailbox.to)
    lines = [said["text"], said["help"], f"{said['alarm']} {said['phase']}, since {said['since']}"]
    message.set_content("\n\n".join(line for line in lines if line) + "\n")
    return message


def bells(settings: AlarmSettings, transport: Transport) -> list[Bell]:
    """Return every way to tell people that the settings name."""
    found: list[Bell] = []
    if settings.webhook is not None:
        found.append(WebhookBell(settings.webhook, transport))
    if settings.mailbox is not None:
        found.append(MailBell(settings.mailbox))
    return found


def said_of(notice: Notice, relay: Relay, language: Language) -> dict[str, Any]:
    """Return what people are told of an alarm, in their language."""
    code, about = notice.key
    return {
        "adapter": relay.name,
        "mode": relay.mode.value,
        "alarm": code,
        "phase": notice.phase.value,
        "severity": notice.issue.severity,
        "about": about or None,
        "since": notice.began_at.isoformat(timespec="seconds"),
        "text": notice.issue.text(language),
        "help": "" if notice.phase is Phase.OVER else notice.issue.help(language),
    }


class Watch:
    """Looks at what the store says, and tells whom the settings name."""

    def __init__(self, relay: Relay, settings: AlarmSettings, bells: Sequence[Bell]) -> None:
        self._relay = relay
        self._settings = settings
        self._bells = bells
        self._audit_at: datetime | None = None
        self._audit_fault: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Look until told to stop; a store that does not answer is said in the log and looked at again."""
        while not stop.is_set():
            try:
                await self.look()
            except AdapterError as error:
                log.say("alarms-unknown", level=logging.ERROR, code=error.code)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)

    async def look(self) -> list[Notice]:
        """Look once; return what was told."""
        told = await asyncio.to_thread(self._notices)
        for notice in told:
            said = said_of(notice, self._relay, self._settings.language)
            level = logging.INFO if notice.phase is Phase.OVER else logging.ERROR
            log.say("alarm", level=level, code=notice.key[0], outcome=notice.phase.value, about=notice.key[1])
            rung = [await bell.ring(said) for bell in self._bells]
            if not all(rung) and notice.phase is not Phase.OVER:
                log.say("alarm-untold", level=logging.ERROR, code=notice.key[0])
                await asyncio.to_thread(self._relay.store.untold, notice)
        return told

    def _notices(self) -> list[Notice]:
        relay, limits = self._relay, self._settings.limits
        now = relay.clock.now()
        if self._audit_at is None or now - self._audit_at >= limits.audit_every:
            bad = relay.store.verify_audit()
            self._audit_fault = f"{bad.node}/{bad.sequence}" if bad is not None else None
            self._audit_at = now
        facts = relay.store.alarm_facts(self._audit_fault)
        return relay.store.alarms_due(alarm.standing(facts, now, limits), limits)


def routes(doors: Doors) -> list[Route]:
    """Return the address of the alarms."""

    async def alarms(_request: Request) -> Response:
        """List the alarms that stand, the oldest first."""
        rows = await doors.work(doors.relay.store.alarms)
        return answer(
            {
                "items": [
                    {"alarm": code, "about": about or None, "since": since, "severity": Issue(code).severity}
                    for code, about, since in rows
                ]
            }
        )

    return [Route("GET", "/operator/alarms", alarms, Operators(Right.LOOK))]
