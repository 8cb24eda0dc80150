"""What a deployment tells the maps: who the sender is, and how its sources count the days of a leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.content.conftest import NOTIFICATIONS, ZONE

if TYPE_CHECKING:
    from adapter.mapping import MapSet

SOURCES = [
    ("notification-from-v2", "back-surgery.hl7", "application/hl7-v2", "2026-03-31", "2026-03-30"),
    ("notification-from-cda", "hernia-cda.xml", "application/xml", "2026-03-20", "2026-03-19"),
    ("notification-from-json", "carpal-tunnel.json", "application/json", "2026-03-19", "2026-03-18"),
]
"""Map, fixture, media type, the end as written, the day before it."""


def bundle_of(maps: MapSet, name: str, file: str, media_type: str, **constants: Any) -> dict[str, Any]:
    """Map a fixture with constants."""
    body = (NOTIFICATIONS / file).read_bytes()
    return maps[name].run(body, media_type=media_type, zone=ZONE, constants=constants).resources[0]


def _of(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source[0])
def test_an_end_that_is_included_is_the_last_day(source: tuple[str, ...], maps: MapSet) -> None:
    """By default, and where the source says so, the end as written is the last day of the leave."""
    name, file, media_type, written, _ = source

    ends = {
        _of(bundle_of(maps, name, file, media_type, **constants), "Observation")["effectivePeriod"]["end"]
        for constants in ({}, {"leaveEndIncluded": True})
    }

    assert ends == {written}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source[0])
def test_an_end_that_is_not_included_is_the_day_after_the_last(source: tuple[str, ...], maps: MapSet) -> None:
    """A source that gives the first day at work again has its leave end on the day before."""
    name, file, media_type, _, before = source

    bundle = bundle_of(maps, name, file, media_type, leaveEndIncluded=False)

    assert _of(bundle, "Observation")["effectivePeriod"]["end"] == before


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source[0])
@pytest.mark.parametrize(
    ("sender", "identifier"),
    [
        ("urn:oid:1.2.3", {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}),
        (
            "urn:oid:1.2.246.10.1.10.2",
            {"system": "urn:oid:1.2.246.537.6.202", "value": "urn:oid:1.2.246.10.1.10.2"},
        ),
        ("urn:x:register|4711", {"system": "urn:x:register", "value": "4711"}),
    ],
)
def test_the_sender_is_whom_the_door_has_recognised(
    sender: str, identifier: dict[str, str], source: tuple[str, ...], maps: MapSet
) -> None:
    """The sending organisation has the identifier the door gives, and no other."""
    name, file, media_type, *_ = source

    bundle = bundle_of(maps, name, file, media_type, sender=sender)

    assert _of(bundle, "Organization")["identifier"] == [identifier]


@pytest.mark.parametrize(
    ("meaning", "status"), [("done", "completed"), ("planned", "preparation"), ("update", "unknown")]
)
def test_a_deployment_may_say_what_a_trigger_means(meaning: str, status: str, maps: MapSet) -> None:
    """A table of the deployment's own wins over the shipped one."""
    name, file, media_type, *_ = SOURCES[0]

    bundle = bundle_of(maps, name, file, media_type, eventMeaning=meaning)

    assert (
        _of(bundle, "MessageHeader")["reason"]["coding"][0]["code"],
        _of(bundle, "Procedure")["status"],
    ) == (meaning, status)
