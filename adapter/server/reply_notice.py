"""Notices to people of a receiver that something waits on the reply form: by e-mail, by a webhook.

They say how much waits, since when and where, and nothing of anybody. One for all that is new at one look,
again each day while something is not opened. What could not be told is told at the next look; who is told by
nobody sees it on the page.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

from adapter.errors import AdapterError
from adapter.server import log
from adapter.server.alarm import MailBell, WebhookBell
from adapter.server.wording import word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.relay.deployment import Relay
    from adapter.relay.store.values import OfferNotice
    from adapter.relay.transport import Transport
    from adapter.server.alarm import Bell, Mailbox, Webhook

LOOK_SECONDS = 30.0
REMIND = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeTo:
    """Who is told for one partner; either may be None."""

    webhook: Webhook | None = None
    mailbox: Mailbox | None = None


class Usher:
    """Looks at what waits, and tells whom the settings name."""

    def __init__(
        self, relay: Relay, wanted: Mapping[str, NoticeTo], transport: Transport | None = None
    ) -> None:
        self._relay = relay
        wire = transport or relay.transport
        self._bells = {partner: tuple(_bells(to, wire)) for partner, to in wanted.items()}

    async def run(self, stop: asyncio.Event) -> None:
        """Look until told to stop; a store that does not answer is said in the log and looked at again.

        Where nobody is to be told there is nothing to look for.
        """
        while self._bells and not stop.is_set():
            try:
                await self.look()
            except AdapterError as error:
                log.say("notices-unknown", level=logging.ERROR, code=error.code)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)

    async def look(self) -> list[OfferNotice]:
        """Look once; return what was told."""
        store = self._relay.store
        due = await asyncio.to_thread(store.offers_to_tell, REMIND, tuple(self._bells))
        for notice in due:
            said = said_of(notice, self._relay)
            rung = [await bell.ring(said) for bell in self._bells[notice.partner]]
            if not all(rung):
                log.say("notice-untold", level=logging.ERROR, about=notice.partner)
                await asyncio.to_thread(store.untold_offers, notice.partner)
        return due


def said_of(notice: OfferNotice, relay: Relay) -> dict[str, Any]:
    """Return what a partner is told, in its language."""
    partner = relay.partners[notice.partner]
    language = partner.language
    text = word("notice", "one" if notice.waiting == 1 else "several", language)
    return {
        "adapter": relay.name,
        "mode": relay.mode.value,
        "notice": "waiting",
        "waiting": notice.waiting,
        "since": notice.since.isoformat(timespec="seconds"),
        "address": partner.endpoint,
        "text": text.format(count=notice.waiting),
        "help": word("notice", "where", language),
    }


def letter(said: dict[str, Any], mailbox: Mailbox) -> EmailMessage:
    """Return the e-mail of a notice."""
    message = EmailMessage()
    message["Subject"] = f"[{said['adapter']} {said['mode']}] {said['text']}"
    message["From"] = mailbox.sender
    message["To"] = ", ".join(mailbox.to)
    message.set_content("\n\n".join((said["text"], said["help"], said["address"])) + "\n")
    return message


def _bells(to: NoticeTo, transport: Transport) -> list[Bell]:
    found: list[Bell] = []
    if to.webhook is not None:
        found.append(WebhookBell(to.webhook, transport))
    if to.mailbox is not None:
        found.append(MailBell(to.mailbox, write=letter))
    return found
