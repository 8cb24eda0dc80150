"""Other servers as a settings file names them: who hears of alarms, and whose directory is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.config.keys import is_loopback
from adapter.relay.alarm import Limits
from adapter.relay.directory_feed import DirectoryFeed
from adapter.relay.message import Mode
from adapter.server.alarm import AlarmSettings, Mailbox, Webhook

if TYPE_CHECKING:
    from adapter.config.document import Document
    from adapter.config.secrets import Secrets


def alarm(document: Document, one: dict[str, Any], mode: str | None, secrets: Secrets) -> AlarmSettings:
    """Return who hears of alarms; a mail server needs a sender and somebody to write to."""
    token = secrets.plain(one, "alarm")
    password = secrets.plain(one, "alarm", "mail_password")
    webhook = one["webhook"]
    if webhook is not None and mode == Mode.PRODUCTION and webhook.startswith("http:"):
        document.fault("CF117", "alarm.webhook")
    mailbox = None
    if one["mail_server"] is not None:
        for key in ("mail_from", "mail_to"):
            if not one[key]:
                document.fault("CF105", f"alarm.{key}", key=key)
        host, port = one["mail_server"]
        mailbox = Mailbox(
            host=host,
            port=port,
            sender=one["mail_from"] or "",
            to=one["mail_to"],
            user=one["mail_user"],
            password=password,
            is_local=is_loopback(host),
        )
    limits = {name: one[name] for name in ("queue_age", "routing_age", "cancel_age", "remind", "audit_every")}
    return AlarmSettings(
        limits=Limits(**limits),
        language=one["language"],
        webhook=Webhook(url=webhook, token=token) if webhook is not None else None,
        mailbox=mailbox,
    )


def directory_feed(
    document: Document, one: dict[str, Any], mode: str | None, secrets: Secrets
) -> DirectoryFeed | None:
    """Return the server whose directory is kept beside the files; None where none is named."""
    address, token = one["address"], secrets.plain(one, "directory")
    if address is None:
        return None
    if mode == Mode.PRODUCTION and address.startswith("http:"):
        document.fault("CF117", "directory.address")
    return DirectoryFeed(
        address=address.rstrip("/"),
        every=one["every"],
        whole_every=one["whole_every"],
        stale_after=one["stale_after"],
        token=token,
    )
