"""What a report is computed from where a deployment keeps it: the messages in its store, read under lock."""

from __future__ import annotations

from getpass import getuser
from typing import TYPE_CHECKING

from adapter.errors import ConfigurationError
from adapter.fhir import json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.fhir.json import Resource

PAGE = 500
"""Messages asked for at a time."""


def stored(settings: Path, report: str, reason: str | None) -> Iterator[Resource]:
    """Yield the messages whose content a deployment still has, audited before the first is read.

    Raises ConfigurationError RP107 without a reason, or what is wrong with the settings; StoreError if the
    store is in use by a running adapter.
    """
    from adapter import config
    from adapter.relay.clock import SystemClock
    from adapter.relay.message import AuditRecord, MessageState
    from adapter.relay.store import Store

    if not reason:
        raise ConfigurationError("RP107")
    read = config.load(settings)
    clock = SystemClock()
    store = Store.open(read.store_url, key=read.key, clock=clock, node=read.node)
    try:
        act = AuditRecord(
            at=clock.now(),
            actor=getuser(),
            action="report",
            object=f"report/{report}",
            outcome="computed",
            reason=reason,
        )
        store.audit([act])
        unusable = (MessageState.UNREADABLE, MessageState.INVALID)
        before: str | None = None
        while rows := store.messages(before=before, limit=PAGE):
            for row in rows:
                content = None if row.state in unusable else store.content(row.id)
                if content is not None:
                    yield json.read(content)
            before = rows[-1].id
    finally:
        store.close()
