"""From bytes to a message Bundle: decoded where it is FHIR, run through the source's map where it is not."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from adapter import fhir
from adapter.errors import Conflict, NotFound, TooCostly, Unsupported
from adapter.fhir.budget import DOOR
from adapter.mapping import readers
from adapter.outcome import shortened
from adapter.relay import answer, event, notification
from adapter.relay.deployment import FHIR_SOURCE, Source
from adapter.relay.element import child, children
from adapter.relay.intake.work import Content, Work
from adapter.relay.message import Meaning, Submission

if TYPE_CHECKING:
    from adapter.mapping import Lineage, Map, Outcome
    from adapter.mapping.nodes import SourceTree
    from adapter.outcome import Issue
    from adapter.relay.deployment import Relay
    from adapter.relay.element import Element

MEDIA_TYPE_OF = {
    "hl7v2": "application/hl7-v2",
    "cda": "application/xml",
    "xml": "application/xml",
    "json": "application/json",
}
"""What the mapping reads a source as, whatever its door was told."""


def source_of(submission: Submission, relay: Relay) -> Source:
    """Return the source a submission names.

    Raises NotFound (PN140) if there is none of that name, or if it belongs to another organisation: nobody
    learns which sources others have.
    """
    if submission.source == FHIR_SOURCE:
        return Source(name=FHIR_SOURCE, organisation=submission.sender, format="fhir", zone=relay.zone)
    source = relay.sources.get(submission.source)
    if source is None or source.organisation != submission.sender:
        raise NotFound("PN140")
    return source


def read(work: Work) -> Content:
    """Decode FHIR, or run the source's map.

    Raises ContentError for what cannot be read.
    """
    submission, source = work.submission, work.source
    if source.format == "fhir":
        bundle = fhir.decode(submission.body, submission.media_type, budget=DOOR)
        return Content(bundle=bundle, facts=notification.read(bundle), issues=(), tree=None)
    tree = readers.read(
        submission.body,
        MEDIA_TYPE_OF[source.format],
        budget=DOOR,
        charset=submission.charset or source.charset,
    )
    one = _map_for(work, tree)
    outcome = _mapped(work, one, tree, lineage=False)
    bundle = outcome.resources[0] if outcome.resources else {}
    if len(bundle.get("entry", ())) > DOOR.entries:
        # A message of many small parts maps into more than the same sender could hand in as FHIR.
        raise TooCostly("FH125", params={"limit": DOOR.entries})
    issues = tuple(shortened(outcome.issues))
    return Content(bundle=bundle, facts=notification.read(bundle), issues=issues, tree=tree, map=one)


def _map_for(work: Work, tree: SourceTree) -> Map:
    source, maps = work.source, work.relay.maps
    return maps.choose(tree) if source.map == "auto" else maps[source.map]


def _mapped(work: Work, one: Map, tree: SourceTree, *, lineage: bool) -> Outcome:
    source = work.source
    return one.run_tree(
        tree,
        source_id=hashlib.sha256(work.submission.body).hexdigest(),
        constants={
            "sender": source.organisation,
            "leaveEndIncluded": source.inclusive_end,
            **_by_table(work, tree),
        },
        zone=source.zone.key,
        lineage=lineage,
    )


def _by_table(work: Work, tree: SourceTree) -> dict[str, str]:
    """What the deployment's own table of triggers says of a v2 message, for the map to follow.

    Empty for a trigger in no table: `meaning_of` refuses it after the map has shown what else is wrong.
    """
    trigger = _trigger(tree) if work.source.format == "hl7v2" else ""
    meaning = work.relay.events.find(trigger)
    return {} if meaning is None else {"eventMeaning": meaning.value}


def _trigger(tree: SourceTree) -> str:
    """MSH-9.1 and MSH-9.2. HL7 v2.5.1, 2.15.9.9."""
    field: Any = tree.root
    for name in ("MSH", "f9"):
        found = field.get(name) if isinstance(field, dict) else None
        field = found[0] if isinstance(found, list) and found else found
    parts = (field.get("c1"), field.get("c2")) if isinstance(field, dict) else ()
    return "^".join(str(part) for part in parts if part)


def meaning_of(work: Work, content: Content) -> Meaning:
    """What the event means, as the message says it and, for HL7 v2, as the table of triggers has it too.

    Raises Unsupported: PN130 or PN131 for an unknown event, PN135 and PN136 where the two do not agree, PN153
    for FHIR that is no message at all.
    """
    facts = content.facts
    if work.source.format == "fhir" and not _has_header(content.bundle):
        raise Unsupported("PN153", at=str(content.bundle.get("resourceType")))
    if work.source.format != "hl7v2" or content.tree is None:
        return event.meaning_of(facts.event_system, facts.event, facts.reason)
    trigger = _trigger(content.tree)
    by_table = work.relay.events.meaning_of_trigger(trigger) if "^" in trigger else Meaning.NOT_OURS
    by_map = event.meaning_of(facts.event_system, facts.event, facts.reason)
    if by_map is not by_table:
        raise Unsupported(
            "PN136", source_field="MSH-9", params={"map": by_map.value, "table": by_table.value}
        )
    return by_table


def _has_header(bundle: Element) -> bool:
    """Return True if a MessageHeader comes first, by which a Bundle is a message. FHIR R4 messaging.html."""
    first = next(children(bundle, "entry"), None)
    return first is not None and child(first, "resource").get("resourceType") == "MessageHeader"


def named(
    work: Work, content: Content, issues: tuple[Issue, ...]
) -> tuple[tuple[Issue, ...], Lineage | None]:
    """Name the sender's own field of each issue.

    Lineage costs a second run of the map, which gives the same again, so it is asked for only where
    something is wrong; `lineage_of` makes it for any other message.
    """
    if content.tree is None or content.map is None:
        return issues, None
    lineage = _mapped(work, content.map, content.tree, lineage=True).lineage
    if lineage is None:
        return issues, None
    found = tuple(
        replace(issue, source_field=lineage.source_field(issue.at))
        if issue.at is not None and issue.source_field is None
        else issue
        for issue in issues
    )
    return found, lineage


def lineage_of(message: str, relay: Relay) -> list[dict[str, Any]] | None:
    """Return where each leaf of a stored message came from, as JSON; None where it came as FHIR.

    Made from the original as it was kept, with the maps as they are now. Raises NotFound if there is no such
    message, Conflict (RT112) if its content has been forgotten.
    """
    row = relay.store.message(message)
    body = relay.store.content(message, "original")
    if body is None:
        raise Conflict("RT112", params={"state": "forgotten"})
    submission = Submission(
        sender=row.sender,
        source=row.source,
        body=body,
        media_type=row.media_type,
        charset=None,
        received_at=row.received_at,
    )
    source = source_of(submission, relay)
    if source.format == "fhir":
        return None
    tree = readers.read(body, MEDIA_TYPE_OF[source.format], charset=source.charset)
    work = Work(submission, relay, source, answer.style_for(source.format, (), is_message=False))
    lineage = _mapped(work, _map_for(work, tree), tree, lineage=True).lineage
    return lineage.as_json() if lineage is not None else None
