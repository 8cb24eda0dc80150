"""Consents that come with a message: read by the source's own map, filed in the message's transaction.

Only a source that the deployment trusts with it files any. What keeps something back holds whatever becomes
of its message, if the message can be read at all; what lets something go holds only if it is valid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from adapter.outcome import Issue, has_errors
from adapter.relay import consent_filing, consent_record, decision, notification
from adapter.relay.element import child, children

if TYPE_CHECKING:
    from adapter.relay.consent_filing import Told
    from adapter.relay.consent_record import ConsentRecord
    from adapter.relay.deployment import Relay
    from adapter.relay.intake.reader import Content
    from adapter.relay.message import ConsentFiling
    from adapter.relay.notification import Notification
    from adapter.relay.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What a message says of its patient's consents."""

    told: tuple[Told, ...] = ()
    """What becomes of each, the issue with the segment or field it stands in."""
    is_sure: bool = True
    """False if it is in doubt whose they are: nothing is opened then."""
    digest: str = ""
    """SHA-256 of what the map made of them: a message with other consents is another message."""

    def filings(self, *, is_valid: bool) -> tuple[ConsentFiling, ...]:
        """Return what is kept: of a message that is not valid only what keeps something back.

        Where one is told twice in a message, what keeps back holds.
        """
        found: dict[str, ConsentFiling] = {}
        for each in self.told:
            if each.filing is not None and self._holds(each, is_valid=is_valid):
                known = found.get(each.filing.id)
                if known is None or each.filing.keeps_back:
                    found[each.filing.id] = each.filing
        return tuple(found.values())

    def issues(self, *, is_valid: bool) -> tuple[Issue, ...]:
        """Return what the sender is told, also of what is not kept because its message is not valid."""
        return tuple(
            each.issue
            if self._holds(each, is_valid=is_valid)
            else Issue("CO224", source_field=each.issue.source_field)
            for each in self.told
        )

    def _holds(self, each: Told, *, is_valid: bool) -> bool:
        return each.filing is None or each.filing.keeps_back or (is_valid and self.is_sure)

    def records(self, relay: Relay) -> list[tuple[str, ConsentRecord]]:
        """Return each as it will be decided by if the message is valid, with its id."""
        return [
            (each.id, consent_record.read(each.resource, each.expected + 1, relay.zone))
            for each in self.filings(is_valid=True)
        ]


NOTHING = Brought()


def brought_by(content: Content, source: Source, relay: Relay) -> Brought:
    """Say what becomes of the consents of a message; nothing of a source that files none."""
    read, facts = content.consents, content.facts
    if read is None:
        return NOTHING
    patient = decision.person_of(facts)
    told = [
        _placed(consent_filing.of_message(child(entry, "resource"), relay, source, patient), field)
        for entry, field in zip(children(read.bundle, "entry"), read.fields, strict=True)
    ]
    return Brought(
        told=tuple(told),
        is_sure=not has_errors((*read.issues, *_doubts(facts, relay))),
        digest=read.digest,
    )


def _doubts(facts: Notification, relay: Relay) -> list[Issue]:
    """Return why it is in doubt whose they are: messages about a person alone are not validated.

    Formats without a mark of tests say nothing by lacking it.
    """
    return [each for each in notification.identity_faults(facts, relay.mode) if each.code != "PN111"]


def _placed(told: Told, field: str | None) -> Told:
    """Name the segment or field that the consent was made from: `CON[1]`."""
    return replace(told, issue=replace(told.issue, source_field=field))
