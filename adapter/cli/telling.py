"""The demo told: for a person line by line, for a program as one JSON document."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from adapter.conformance.actors import page
from adapter.conformance.actors.judge import receiver_of
from adapter.outcome import Issue
from adapter.relay.message import TO_THE_SENDER, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from adapter.cli.stage import Sent, World
    from adapter.relay.store.values import DeliveryRow, MessageRow


def document(world: World, sent: list[Sent]) -> dict[str, Any]:
    """Return the outcome of the demo: counts, and one item per delivery or message without one."""
    store = world.deployment.store
    rows = list(reversed(store.messages(limit=500)))
    items = [item for row in rows for item in _items(world, row, _told(store.deliveries(row.id)))]
    deliveries = Counter(item["state"] for item in items if item["recipient"] is not None)
    return {
        "submissions": len(sent),
        "messages": len(rows),
        "deliveries": dict(sorted(deliveries.items())),
        "messages_by_state": dict(sorted(Counter(row.state.value for row in rows).items())),
        "items": items,
    }


def _told(deliveries: list[DeliveryRow]) -> list[DeliveryRow]:
    return [delivery for delivery in deliveries if delivery.kind not in TO_THE_SENDER]


def _items(world: World, row: MessageRow, deliveries: list[DeliveryRow]) -> Iterator[dict[str, Any]]:
    for delivery in deliveries:
        yield {
            "source": row.source,
            "message": row.id,
            "recipient": delivery.recipient,
            "state": delivery.state.value,
            "level": delivery.level.value if delivery.level else None,
            "reason": delivery.reason,
        }
    if not deliveries:
        yield {
            "source": row.source,
            "message": row.id,
            "recipient": None,
            "state": row.state.value,
            "level": None,
            "reason": _reason(world, row),
        }


def _reason(world: World, row: MessageRow) -> str | None:
    """Why nobody got anything: the code of the step that said so, else of the first finding."""
    moments = world.deployment.store.timeline(row.id)
    by_step = (moment.reason for moment in moments if moment.what != "accept" and moment.reason)
    return next(by_step, row.issues[0]["code"] if row.issues else None)


def lines(world: World, sent: list[Sent]) -> Iterator[str]:
    """Yield the story as a person wants to read it."""
    yield "Silta demo. Everybody in it is invented; the clock shows April 2026."
    yield f"  adapter              {world.adapter}"
    yield f"  hospitals            {world.hospital} (silta stub hospital)"
    yield f"  occupational health  {world.oh} (silta stub oh)"
    for number, one in enumerate(sent, 1):
        yield ""
        yield f"{number:>2}  {one.step.title}"
        yield from (f"    {line}" for line in _step(world, one))
    yield ""
    yield from _summary(world, sent)


def _step(world: World, one: Sent) -> Iterator[str]:
    door = f"POST /ingest/{one.step.source}" if one.step.source else "POST /fhir/$process-message"
    yield f"came in     {one.step.fixture}, {one.size:,} bytes, {door}"
    store = world.deployment.store
    row = store.message(one.message) if one.message else None
    if row is not None:
        yield from _mapped(world, row)
    if one.is_repeat:
        yield "known       the same notification with the same content: the stored answer, no new message"
    yield from _answer(world, one)
    if row is None:
        return
    deliveries = store.deliveries(row.id)
    for delivery in _told(deliveries):
        yield from _delivery(world, row, delivery)
    for report in (delivery for delivery in deliveries if delivery.kind is Kind.DELIVERY_REPORT):
        yield f"reported    to {_name(world, report.recipient)}: {report.state.value}"
    if not _told(deliveries):
        yield f"nobody      got anything: the message is {row.state.value}"


def _mapped(world: World, row: MessageRow) -> Iterator[str]:
    """What it became, and what validation said."""
    content = world.deployment.store.content(row.id)
    if content is None:
        yield "mapped      could not be read"
        return
    types = Counter(entry["resource"]["resourceType"] for entry in json.loads(content).get("entry", ()))
    made = ", ".join(f"{count} {name}" if count > 1 else name for name, count in types.items())
    lineage = world.deployment.store.content(row.id, "lineage")
    traced = "" if lineage is None else f"; {len(json.loads(lineage))} elements traced to their fields"
    yield f"{'mapped' if row.source != 'fhir' else 'decoded':<11} {made}{traced}"
    worst = Counter(Issue(one["code"], level=one.get("level")).severity for one in row.issues)
    said = ", ".join(f"{count} {severity}{'s' * (count > 1)}" for severity, count in worst.items())
    meaning = row.meaning.value if row.meaning else "unknown"
    yield f"validated   {said or 'no findings'}; it means: {meaning}"


def _answer(world: World, one: Sent) -> Iterator[str]:
    """What the sender was told: the fate of each copy, the errors, and how many warnings beside."""
    yield f"answered    HTTP {one.answered.status}"
    if "json" not in one.answered.media_type:
        return
    said = json.loads(one.answered.body)
    issues = [
        issue
        for resource in (said, *(entry["resource"] for entry in said.get("entry", ())))
        for issue in resource.get("issue", ())
    ]
    for issue in issues:
        if issue["severity"] in ("error", "fatal") or _codes(issue, "/fate"):
            place = ", ".join(issue.get("location", ()))
            text = issue.get("details", {}).get("text", "")
            to = f"{_name(world, _recipient(issue))}: " if _recipient(issue) else ""
            yield f"            {_codes(issue, '/finding')} {to}{text}{f' ({place})' if place else ''}"
    beside = sum(issue["severity"] == "warning" and not _codes(issue, "/fate") for issue in issues)
    if beside:
        yield f"            and {beside} warning{'s' * (beside > 1)}"


def _recipient(issue: dict[str, Any]) -> str:
    """Return the organisation that an issue speaks of, empty if it speaks of none."""
    held = (one.get("valueIdentifier", {}).get("value") for one in issue.get("extension", ()))
    return next((str(value) for value in held if value), "")


def _codes(issue: dict[str, Any], system: str) -> str:
    """Return the codes of an issue in a code system of that ending, empty without one."""
    codings = issue.get("details", {}).get("coding", ())
    return " ".join(one["code"] for one in codings if one.get("system", "").endswith(system))


def _delivery(world: World, row: MessageRow, delivery: DeliveryRow) -> Iterator[str]:
    level = f", {delivery.level.value} level" if delivery.level else ""
    kind = "" if delivery.kind.value == "notification" else f" ({delivery.kind.value})"
    yield f"{delivery.state.value:<11} {_name(world, delivery.recipient)}{kind}{level}"
    if delivery.evidence:
        yield f"            why they: {delivery.evidence}"
    if delivery.basis:
        yield f"            allowed by: {delivery.basis}"
    if delivery.reason:
        yield f"            why not: {delivery.reason} {Issue(delivery.reason).text()}"
    for attempt in world.deployment.store.attempts(delivery.id):
        status = f"HTTP {attempt.status}" if attempt.status else "no answer"
        yield f"            attempt {attempt.number}: {status}, {attempt.outcome}"
    if delivery.acknowledged_at is not None:
        yield from (f"            {line}" for line in _shown(world, delivery))
        yield f"            clocks: {_clocks(world, row, delivery)}"


def _shown(world: World, delivery: DeliveryRow) -> Iterator[str]:
    """What the receiver shows of it."""
    for record in world.oh_stub.inbox.items:
        bundle = record.bundle or {}
        if bundle.get("id") == delivery.bundle_id and record.status < 400:
            yield "the receiver shows:"
            yield from (f"  {line}" for line in page.contents(bundle))
            wrong = [f"{issue.code} {issue.text()}" for issue in record.issues if issue.is_error]
            yield from (f"  finds fault: {one}" for one in wrong)
            assert receiver_of(bundle) is not None  # noqa: S101  (every copy names who it is for)
            return


def _clocks(world: World, row: MessageRow, delivery: DeliveryRow) -> str:
    """From the end of the procedure to the acknowledgement."""
    parts = [f"accepted {row.received_at.astimezone(world.deployment.relay.zone):%Y-%m-%d %H:%M:%S}"]
    if row.happened_at:
        parts.insert(0, f"procedure {row.happened_at[:16].replace('T', ' ')}")
    for word, at in (("delivered", delivery.sent_at), ("acknowledged", delivery.acknowledged_at)):
        if at is not None:
            parts.append(f"{word} +{_seconds(row.received_at, at)}")
    return " -> ".join(parts)


def _seconds(start: datetime, end: datetime) -> str:
    return f"{(end - start).total_seconds():.2f} s"


def _name(world: World, key: str) -> str:
    from adapter.relay import directory

    party = directory.read(world.deployment.store.directory()).party(key)
    return party.name if party and party.name else key


def _summary(world: World, sent: list[Sent]) -> Iterator[str]:
    told = document(world, sent)
    states = ", ".join(f"{count} {state}" for state, count in told["deliveries"].items())
    messages = ", ".join(f"{count} {state}" for state, count in told["messages_by_state"].items())
    yield f"{told['submissions']} submissions became {told['messages']} messages ({messages})"
    yield f"with {sum(told['deliveries'].values())} deliveries ({states})."
    yield ""
    yield "Where to look further:"
    yield "  silta init mysite && silta serve --config mysite/silta.toml    the same by hand"
    yield "  silta demo --keep                                              leave it running, look around"
    yield "  docs/sender.md, docs/receiver.md                               contracts of one page"
    yield "  docs/architecture.md                                           how it works inside"


def kept(world: World) -> str:
    """Say what can be done with a demo that goes on."""
    tokens = world.folder / "site" / "tokens"
    return "\n".join(
        (
            "",
            "Everything goes on until Ctrl-C. Try, in another terminal:",
            f"  curl {world.oh}/inbox",
            f"  curl {world.adapter}/fhir/metadata",
            f"  silta messages list --server {world.adapter} --token-file {tokens}/operator.token",
            f"  silta stub hospital --send FILE.hl7 --to {world.adapter} --source ehr1 "
            f"--token-file {tokens}/tuulilahti.token",
        )
    )
