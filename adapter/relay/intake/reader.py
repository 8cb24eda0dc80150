"""From bytes to a message Bundle and what can be said of it by looking at it alone.

No store, clock, ids or wire: the same original gives the same content, so that it can be read in a process of
its own, where a hostile original can do no more than end that process.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from adapter import fhir
from adapter.errors import TooCostly, Unsupported
from adapter.fhir.budget import DOOR
from adapter.mapping import readers
from adapter.mapping.version import version_of
from adapter.outcome import shortened
from adapter.relay import event, feedback, judging, notification
from adapter.relay.artefact import MESSAGE_PROFILE
from adapter.relay.element import child, children
from adapter.relay.intake.sameness import digest_of
from adapter.relay.message import Meaning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapter.mapping import Map, MapSet, Outcome
    from adapter.mapping.nodes import SourceTree
    from adapter.outcome import Issue
    from adapter.relay.element import Element
    from adapter.relay.event import EventTable
    from adapter.relay.message import Submission
    from adapter.relay.notification import Notification
    from adapter.relay.source import Source
    from adapter.validation import Validator

MEDIA_TYPE_OF = {
    "hl7v2": "application/hl7-v2",
    "cda": "application/xml",
    "xml": "application/xml",
    "json": "application/json",
}
"""What the mapping reads a source as, whatever its door was told."""

SAID_BETTER = ("VA953", "VA954")
"""Of an identity code that contradicts the rest: PN106 and PN107 refuse it."""


@dataclass(frozen=True, slots=True)
class MapVersion:
    """Which map made a message, and which version of it."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentsRead:
    """What the source's own map made of the consents in an original."""

    bundle: Element
    issues: tuple[Issue, ...]
    fields: tuple[str | None, ...]
    """The sender's own place of each entry: `CON[1]`."""
    digest: str
    """SHA-256 of what they say; empty where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A submission that could be read."""

    bundle: Element
    facts: Notification
    digest: str
    """SHA-256 of what it says, hex."""
    meaning: Meaning | None
    """None of a business reply, and where it cannot be told."""
    unsupported: Issue | None = None
    """Why it cannot be told what it means."""
    issues: tuple[Issue, ...] = ()
    """Findings of the map; once it is judged, all that its sender is told."""
    found: tuple[Issue, ...] = ()
    """Findings of its profile; none of what is not relayed."""
    map: MapVersion | None = None
    """What it was mapped with; None where it is FHIR already."""
    consents: ConsentsRead | None = None
    """None of a source that brings none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Where the parts of a message came from."""

    map: MapVersion
    fields: dict[str, str | None]
    """The sender's own field of each place that was asked for."""
    lineage: list[dict[str, Any]]
    """Every leaf with its source, as JSON."""


class Reading(Protocol):
    """Reads originals."""

    def read(self, original: Submission, source: Source) -> Content:
        """Decode FHIR, or run the source's map; then judge by the profile of what it is.

        Raises ContentError for what cannot be read.
        """

    def trace(self, original: Submission, source: Source, places: Sequence[str]) -> Trace | None:
        """Run the source's map again, and tell where everything came from; None for FHIR.

        `places`: FHIRPaths whose fields are wanted. Raises ContentError as `read`.
        """

    def judge(
        self, body: bytes, media_type: str, resource_type: str | None, profile: str | None
    ) -> list[Issue]:
        """Say what is wrong with a resource that is not kept; see `judging.judge`."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads in this process."""

    maps: MapSet
    validator: Validator
    events: EventTable

    def prepare(self, source: Source) -> None:
        """Compile what a source is mapped with, where it names its maps: the first message need not wait."""
        for name in (source.map, source.consents):
            if source.format != "fhir" and name and name != "auto":
                self.maps[name].prepare()

    def read(self, original: Submission, source: Source) -> Content:
        """See `Reading.read`."""
        if source.format == "fhir":
            bundle = fhir.decode(original.body, original.media_type, budget=DOOR)
            return self._judged(bundle, _meaning_of_message)
        tree = _tree(original, source)
        one = self._map_for(source, tree)
        outcome = self._mapped(original, source, one, tree)
        bundle = outcome.resources[0] if outcome.resources else {}
        if len(bundle.get("entry", ())) > DOOR.entries:
            # A message of many small parts maps into more than the same sender could hand in as FHIR.
            raise TooCostly("FH125", params={"limit": DOOR.entries})
        return self._judged(
            bundle,
            partial(self._meaning_of_v2, _trigger(tree)) if source.format == "hl7v2" else _meaning,
            issues=tuple(shortened(outcome.issues)),
            map=MapVersion(one.name, version_of(one)),
            consents=self._consents(original, source, tree),
        )

    def trace(self, original: Submission, source: Source, places: Sequence[str]) -> Trace | None:
        """See `Reading.trace`."""
        if source.format == "fhir":
            return None
        tree = _tree(original, source)
        one = self._map_for(source, tree)
        lineage = self._mapped(original, source, one, tree, lineage=True).lineage
        if lineage is None:
            return None
        return Trace(
            map=MapVersion(one.name, version_of(one)),
            fields={place: lineage.source_field(place) for place in places},
            lineage=lineage.as_json(),
        )

    def judge(
        self, body: bytes, media_type: str, resource_type: str | None, profile: str | None
    ) -> list[Issue]:
        """See `Reading.judge`."""
        return judging.judge(body, media_type, resource_type, profile, self.validator)

    def _map_for(self, source: Source, tree: SourceTree) -> Map:
        return self.maps.choose(tree) if source.map == "auto" else self.maps[source.map]

    def _mapped(
        self, original: Submission, source: Source, one: Map, tree: SourceTree, *, lineage: bool = False
    ) -> Outcome:
        return one.run_tree(
            tree,
            source_id=hashlib.sha256(original.body).hexdigest(),
            constants={
                "sender": source.organisation,
                "leaveEndIncluded": source.inclusive_end,
                **self._by_table(source, tree),
            },
            zone=source.zone.key,
            lineage=lineage,
        )

    def _by_table(self, source: Source, tree: SourceTree) -> dict[str, str]:
        """What the deployment's own table of triggers says of a v2 message, for the map to follow.

        Empty for a trigger in no table: it is refused after the map has shown what else is wrong.
        """
        meaning = self.events.find(_trigger(tree) if source.format == "hl7v2" else "")
        return {} if meaning is None else {"eventMeaning": meaning.value}

    def _consents(self, original: Submission, source: Source, tree: SourceTree) -> ConsentsRead | None:
        if source.consents is None:
            return None
        outcome = self.maps[source.consents].run_tree(
            tree,
            source_id=hashlib.sha256(original.body).hexdigest(),
            constants={"sender": source.organisation},
            zone=source.zone.key,
            lineage=True,
        )
        bundle = outcome.resources[0] if outcome.resources else {}
        places = [f"Bundle.entry[{number}].resource" for number, _ in enumerate(children(bundle, "entry"))]
        lineage = outcome.lineage
        return ConsentsRead(
            bundle=bundle,
            issues=tuple(outcome.issues),
            fields=tuple(lineage.source_field(place) if lineage is not None else None for place in places),
            digest=digest_of(bundle) if places else "",
        )

    def _judged(
        self,
        bundle: Element,
        meaning_of: Callable[[Element, Notification], Meaning],
        issues: tuple[Issue, ...] = (),
        map: MapVersion | None = None,
        consents: ConsentsRead | None = None,
    ) -> Content:
        facts, meaning, unsupported = notification.read(bundle), None, None
        if not feedback.is_one(facts.event):
            try:
                meaning = meaning_of(bundle, facts)
            except Unsupported as fault:
                unsupported = fault.issue
        return Content(
            bundle=bundle,
            facts=facts,
            digest=digest_of(bundle),
            meaning=meaning,
            unsupported=unsupported,
            issues=issues,
            found=tuple(self._found(bundle, _profile(facts, meaning))),
            map=map,
            consents=consents,
        )

    def _found(self, bundle: Element, profile: str | None) -> Iterator[Issue]:
        """Leave out what asks nothing of the sender, and what is said again as a rule of notifications."""
        for issue in self.validator.validate(dict(bundle), profile) if profile is not None else ():
            if issue.severity != "information" and issue.code not in SAID_BETTER:
                yield issue

    def _meaning_of_v2(self, trigger: str, _bundle: Element, facts: Notification) -> Meaning:
        """What an event of HL7 v2 means, by its message as mapped and by the table of triggers alike.

        Raises Unsupported: PN130 or PN131 for an unknown event, PN135 and PN136 where the two do not agree.
        """
        by_table = self.events.meaning_of_trigger(trigger) if "^" in trigger else Meaning.NOT_OURS
        by_map = event.meaning_of(facts.event_system, facts.event, facts.reason)
        if by_map is not by_table:
            raise Unsupported(
                "PN136", source_field="MSH-9", params={"map": by_map.value, "table": by_table.value}
            )
        return by_table


def _profile(facts: Notification, meaning: Meaning | None) -> str | None:
    """Name the profile a message is judged by; None if nothing of it goes anywhere."""
    if feedback.is_one(facts.event):
        return feedback.MESSAGE_PROFILE
    return (
        None if meaning is None or meaning in event.NOT_RELAYED_BECAUSE else MESSAGE_PROFILE[facts.artefact]
    )


def _tree(original: Submission, source: Source) -> SourceTree:
    return readers.read(
        original.body,
        MEDIA_TYPE_OF[source.format],
        budget=DOOR,
        charset=original.charset or source.charset,
    )


def _trigger(tree: SourceTree) -> str:
    """MSH-9.1 and MSH-9.2. HL7 v2.5.1, 2.15.9.9."""
    field: Any = tree.root
    for name in ("MSH", "f9"):
        found = field.get(name) if isinstance(field, dict) else None
        field = found[0] if isinstance(found, list) and found else found
    parts = (field.get("c1"), field.get("c2")) if isinstance(field, dict) else ()
    return "^".join(str(part) for part in parts if part)


def _meaning(_bundle: Element, facts: Notification) -> Meaning:
    return event.meaning_of(facts.event_system, facts.event, facts.reason)


def _meaning_of_message(bundle: Element, facts: Notification) -> Meaning:
    """What a message that came as FHIR means. Raises Unsupported: PN153 for what is no message at all.

    A Bundle is a message by the MessageHeader that comes first. FHIR R4 messaging.html.
    """
    first = next(children(bundle, "entry"), None)
    if first is None or child(first, "resource").get("resourceType") != "MessageHeader":
        raise Unsupported("PN153", at=str(bundle.get("resourceType")))
    return _meaning(bundle, facts)
