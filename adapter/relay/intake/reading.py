"""The submission read by whatever reads originals for this deployment; its findings in the sender's words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from adapter.errors import Conflict, NotFound, TooCostly
from adapter.relay.intake.reader import Reader
from adapter.relay.message import Submission
from adapter.relay.source import FHIR_SOURCE, Source

if TYPE_CHECKING:
    from adapter.outcome import Issue
    from adapter.relay.deployment import Relay
    from adapter.relay.intake.reader import Content, Reading, Trace
    from adapter.relay.intake.work import Work


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


def reader_of(relay: Relay) -> Reading:
    """Return what reads the deployment's originals: processes of their own, or this one."""
    return relay.readers or Reader(relay.maps, relay.validator, relay.events)


def read(work: Work) -> Content:
    """Read and judge the submission. Raises ContentError for what cannot be read."""
    return reader_of(work.relay).read(work.submission, work.source)


def named(
    work: Work, content: Content, issues: tuple[Issue, ...]
) -> tuple[tuple[Issue, ...], list[dict[str, Any]] | None]:
    """Name the sender's own field of each issue; with them where everything came from, as JSON.

    That costs a second run of the map, which gives the same again, so it is asked for only where something is
    wrong; `lineage_of` makes it for any other message. Where it cannot be had, the issues stay as they are.
    """
    if content.map is None:
        return issues, None
    places = [issue.at for issue in issues if issue.at is not None and issue.source_field is None]
    trace = _traced(work, places)
    if trace is None or trace.map != content.map:  # a newer version has come since
        return issues, None
    found = tuple(
        replace(issue, source_field=trace.fields.get(issue.at))
        if issue.at is not None and issue.source_field is None
        else issue
        for issue in issues
    )
    return found, trace.lineage


def _traced(work: Work, places: list[str]) -> Trace | None:
    """To trace costs more than to map: the sender is told what was found, even if not where."""
    try:
        return reader_of(work.relay).trace(work.submission, work.source, places)
    except TooCostly:
        return None


def lineage_of(message: str, relay: Relay) -> list[dict[str, Any]] | None:
    """Return where each leaf of a stored message came from, as JSON; None where it came as FHIR.

    Made from the original as it was kept, with the maps as they are now. Raises NotFound if there is no such
    message, Conflict (RT112) if its content has been forgotten, ContentError if it cannot be read any more.
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
    trace = reader_of(relay).trace(submission, source_of(submission, relay), ())
    return trace.lineage if trace is not None else None
