"""What a sender's event means: done, planned, an update, a cancellation, or not ours.

HL7 v2 triggers are looked up in a table (`mappings/v2-events.csv`, a deployment's own rows first); FHIR, CDA
and JSON say it by the event of their MessageHeader. An event in no table is refused, never guessed.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from adapter.errors import ConfigurationError, Unsupported
from adapter.fhir.canonical import code_system
from adapter.outcome import Issue
from adapter.relay.message import Meaning
from adapter.shipped import folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MESSAGE_EVENT = code_system("message-event")
EVENT_MEANING = code_system("event-meaning")

PROCEDURE_NOTIFICATION = "procedure-notification"
CARE_EPISODE_NOTIFICATION = "care-episode-notification"
"""What a procedure notification is called at the minimal level, whatever its own event was."""
WORK_ABILITY_REFERRAL = "work-ability-referral"
ASSESSMENT = "assessment"
CLIENT_PLAN = "client-plan"
CORRECTION = "correction"
CANCEL = "cancel"
DELIVERY_REPORT = "delivery-report"
FEEDBACK = "feedback"
SICK_LEAVE_AGREEMENT = "sick-leave-agreement"
REPLIES = (FEEDBACK, SICK_LEAVE_AGREEMENT)
"""Business replies to what was delivered."""
ACKNOWLEDGEMENT = "acknowledgement"
IDENTITY_CHANGE = "person-identity-change"
PERSON_DATA_CHANGE = "person-data-change"
NOT_RELAYED = "not-relayed"

MEANINGS_OF_EVENT: dict[str, tuple[Meaning, ...]] = {
    PROCEDURE_NOTIFICATION: (Meaning.DONE, Meaning.PLANNED, Meaning.UPDATE),
    CARE_EPISODE_NOTIFICATION: (Meaning.DONE, Meaning.PLANNED, Meaning.UPDATE),
    WORK_ABILITY_REFERRAL: (Meaning.DONE, Meaning.PLANNED, Meaning.UPDATE),
    ASSESSMENT: (Meaning.DONE, Meaning.UPDATE),
    CLIENT_PLAN: (Meaning.DONE, Meaning.UPDATE, Meaning.CANCEL),
    CORRECTION: (Meaning.UPDATE, Meaning.DONE, Meaning.PLANNED),
    CANCEL: (Meaning.CANCEL,),
    IDENTITY_CHANGE: (Meaning.IDENTITY_CHANGE,),
    PERSON_DATA_CHANGE: (Meaning.PERSON_DATA,),
    NOT_RELAYED: (Meaning.NOT_OURS,),
}
"""Codes of our message-event system that may come in, and what each may mean; the first where the message
does not say in MessageHeader.reason."""

NOT_RELAYED_BECAUSE: dict[Meaning, str] = {
    Meaning.NOT_OURS: "PN132",
    Meaning.PERSON_DATA: "PN133",
    Meaning.IDENTITY_CHANGE: "PN134",
}
"""Meanings that end at the door with a success answer, and the code that says why."""

V2_TABLE = "v2-events.csv"
_COLUMNS = ("trigger", "meaning", "comment")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTable:
    """What each HL7 v2 trigger means: `A03`, or `ADT^A03` where a message type has a meaning of its own."""

    meanings: Mapping[str, Meaning]

    def meaning_of_trigger(self, trigger: str) -> Meaning:
        """Return what a v2 trigger means.

        `trigger`: MSH-9.1 and MSH-9.2 joined by `^`. Raises Unsupported (PN131) if no row speaks of it.
        HL7 v2.5.1, table 0003.
        """
        found = self.find(trigger)
        if found is None:
            raise Unsupported("PN131", source_field="MSH-9")
        return found

    def find(self, trigger: str) -> Meaning | None:
        """Return what a v2 trigger means, or None if no row speaks of it; see `meaning_of_trigger`."""
        return self.meanings.get(trigger) or self.meanings.get(trigger.partition("^")[2])


def meaning_of(system: str | None, code: str | None, reason: str | None = None) -> Meaning:
    """Return what the event of a MessageHeader means.

    `reason`: code of our event-meaning system in MessageHeader.reason, where the message carries one.

    Raises Unsupported: PN130 for an event that is not ours, PN135 for a reason that the event cannot have.
    R4 MessageHeader.eventCoding, .reason.
    """
    possible = MEANINGS_OF_EVENT.get(code or "") if system == MESSAGE_EVENT else None
    if possible is None:
        raise Unsupported("PN130", at="Bundle.entry[0].resource.event")
    if reason is None:
        return possible[0]
    if reason not in possible:
        raise Unsupported("PN135", at="Bundle.entry[0].resource.reason", params={"event": code})
    return Meaning(reason)


def read_table(texts: Iterable[str]) -> EventTable:
    """Read tables of triggers, each a CSV with the columns trigger, meaning, comment; a later one overrides.

    Raises ConfigurationError (PN320) with every faulty row.
    """
    meanings: dict[str, Meaning] = {}
    faults: list[Issue] = []
    for text in texts:
        rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
        if not set(_COLUMNS[:2]) <= set(rows.fieldnames or ()):
            faults.append(Issue("PN321", params={"columns": ", ".join(_COLUMNS)}, line=1))
            continue
        for row in rows:
            trigger, meaning = (row["trigger"] or "").strip(), (row["meaning"] or "").strip()
            if not trigger or trigger.startswith("#"):
                continue
            if meaning not in list(Meaning):
                faults.append(Issue("PN322", params={"trigger": trigger}, line=rows.line_num))
                continue
            meanings[trigger] = Meaning(meaning)
    if faults:
        raise ConfigurationError("PN320", params={"count": len(faults)}, issues=faults)
    return EventTable(meanings=meanings)


@cache
def shipped_table() -> EventTable:
    """Return the table that travels with the package."""
    return load_table([folder("mappings")])


def load_table(folders: Iterable[Path]) -> EventTable:
    """Read `v2-events.csv` of each folder that has one; a later folder's rows override.

    Raises ConfigurationError (PN320) with every faulty row.
    """
    found = (each / V2_TABLE for each in folders)
    return read_table(each.read_text("utf-8") for each in found if each.is_file())
