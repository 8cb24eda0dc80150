"""Custody: whose register comes out, and in which versions. Everybody in here is invented."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.relay import custody, delivery, directory, intake
from adapter.relay.message import Kind
from adapter.relay.transport import Inbound
from tests.relay import site
from tests.relay.notes import CLINIC, HOSPITAL, bundle, concept, organisation
from tests.relay.test_routing import REGISTER, kept_for, party

if TYPE_CHECKING:
    from pathlib import Path

COUNTY = "urn:oid:1.2.246.10.4444444.10.0"
PUBLIC = {"role": "source", "what": {"identifier": {"system": REGISTER, "value": "2"}}}
CUSTODIAN = concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "CST")


def named(*who: dict[str, Any], target: str = "urn:communication", referrers: tuple[str, ...] = ()) -> Any:
    """A message with a Provenance that names these custodians."""
    made = bundle(referrers=referrers)
    agents = [{"type": CUSTODIAN, "who": each} for each in who]
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": target}],
        "agent": [{"type": concept("x", "author"), "who": {"identifier": {"value": CLINIC}}}, *agents],
        "entity": [PUBLIC],
    }
    made["entry"].append({"fullUrl": "urn:custody", "resource": provenance})
    return made


def by(value: str, system: str | None = None) -> dict[str, Any]:
    """A reference by identifier."""
    return {"identifier": {"value": value, **({"system": system} if system else {})}}


UNIT = party(HOSPITAL, "hospital") | {"partOf": {"identifier": {"value": COUNTY}}}
OF_COUNTY = (("register", "health"), ("register-type", f"{REGISTER}|2"), ("controller", COUNTY))
CASES: dict[str, tuple[Any, list[Any], tuple[tuple[str, str], ...]]] = {
    "the message names it": (named(by(COUNTY)), [party(HOSPITAL, "hospital")], OF_COUNTY),
    "a resource of the message": (
        bundle() | {"entry": [*named({"reference": "urn:county"})["entry"],
                              {"fullUrl": "urn:county", "resource": organisation(COUNTY, "Keksitty alue")}]},
        [party(HOSPITAL, "hospital")],
        OF_COUNTY,
    ),
    "the top of the hierarchy": (bundle(), [UNIT, organisation(COUNTY, "Keksitty alue")], OF_COUNTY[::2]),
    "a hierarchy that goes round": (
        bundle(),
        [UNIT, party(COUNTY, "hospital") | {"partOf": {"identifier": {"value": HOSPITAL}}}],
        OF_COUNTY[::2],
    ),
    "an author is no custodian": (named(), [UNIT], OF_COUNTY),
    "nobody knows the sender": (bundle(), [], (("controller", HOSPITAL),)),
    "custody of the referral is its sender's": (
        kept_for(named(by(CLINIC), target="urn:referral-0", referrers=(CLINIC,)), "1234567-8"),
        [UNIT],
        OF_COUNTY[::2],
    ),
    "a person is no controller": (
        named(by("010190-999W", "urn:oid:1.2.246.21")),
        [party(HOSPITAL, "hospital")],
        (*OF_COUNTY[:2], ("controller", HOSPITAL)),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("message", "resources", "expected"), CASES.values(), ids=CASES)
def test_d16_a_disclosure_names_register_and_controller(
    message: Any, resources: list[Any], expected: tuple[tuple[str, str], ...]
) -> None:
    """As the message says, else as the directory's hierarchy does; never a person, never the referrer's."""
    known = directory.read(resources)

    assert custody.custody_of(message, HOSPITAL, known).pairs() == expected


@pytest.mark.parametrize(
    ("version", "kept"), [("7", True), ("a-1.2", True), ("010190-999W", False), ("1 2", False)]
)
def test_d16_a_version_that_would_tell_of_a_person_is_left_out(version: str, kept: bool) -> None:
    """The audit holds ids and versions and no content."""
    copy = {"entry": [{"resource": {"resourceType": "Procedure", "id": "p", "meta": {"versionId": version}}}]}

    assert custody.content_of(copy, {}) == ("Procedure/p" + (f"/_history/{version}" if kept else ""))


class Late:
    """A recipient that first asks to wait and then takes it."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def send(self, request: Any) -> Inbound:
        self.bodies.append(request.body)
        return Inbound(status=503 if len(self.bodies) == 1 else 200, headers={}, body=b"")


def test_d16_each_sending_lists_what_it_carries_a_repeat_too(tmp_path: Path) -> None:
    """Type, id and version of each resource, the sender's where it says one; a frozen copy has the same."""
    wire = Late()
    relay = site.relay_in(tmp_path, transport=wire)
    submission = site.case("gallbladder").submission
    sent = json.loads(submission.body)
    for entry in sent["entry"]:
        if entry["resource"]["resourceType"] in ("Communication", "Procedure"):
            entry["resource"].setdefault("meta", {})["versionId"] = "7"
    message = intake.accept(replace(submission, body=json.dumps(sent).encode()), relay).message or ""
    for _ in range(2):
        asyncio.run(delivery.deliver_due(relay))
        relay.clock.move(timedelta(minutes=30))
    [copy] = [each for each in relay.store.deliveries(message) if each.kind is Kind.NOTIFICATION]
    acts = relay.store.audit_rows(object=f"delivery/{copy.id}")
    rows = [dict(each.pairs) for each in acts if each.action == "disclose"]
    relay.store.close()

    carried = [each["resource"] for each in json.loads(wire.bodies[0])["entry"]]
    versions = {"Communication": "/_history/7", "Procedure": "/_history/7"}
    listed = " ".join(
        f"{each['resourceType']}/{each['id']}{versions.get(each['resourceType'], '')}" for each in carried
    )
    assert wire.bodies[0] == wire.bodies[1]
    assert [each["content"] for each in rows] == [listed, listed]
    assert {(each["register"], each["controller"]) for each in rows} == {("health", site.TUULILAHTI)}
