"""An assessment and a client plan over real HTTP to each sector's receiver, and what each holds afterwards.

Everybody in here is invented.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

import adapter.relay
from adapter.cli.stage import send
from adapter.cli.story import STEPS
from adapter.conformance.actors import judge
from adapter.shipped import folder
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.journeys.conftest import Played

TUULILAHTI = "urn:uuid:2dee15f3-a33c-5c90-8b63-536933ec04db"
KASKELA = "urn:uuid:31305fa5-3e3f-54d1-ac68-1bb016d20087"
VUORELA = "urn:uuid:313889e1-dd7a-57e7-81e8-4d02d39d839a"
TYOLLISYYS = "urn:uuid:e09a082a-b69d-5cf6-87ea-97f8ce1b9009"
KELA = "urn:uuid:fb966dd1-ceb1-5ac2-b08f-f3ead0508b5a"
NAMES = {
    TUULILAHTI: "tuulilahti",
    KASKELA: "kaskela",
    VUORELA: "vuorela",
    TYOLLISYYS: "tyollisyys",
    KELA: "kela",
}
GROUNDS = {VUORELA: "explicit-consent", TYOLLISYYS: "explicit-consent", KELA: "patient-request"}
REGISTERS = {
    "tuulilahti": "health",
    "kaskela": "health",
    "vuorela": "social",
    "tyollisyys": "employment",
    "kela": "benefits",
}
CLINICAL, MINIMAL = ("acknowledged", "clinical"), ("acknowledged", "minimal")
PERSON, DIAGNOSIS = "120574-902Y", "1.2.246.537.6.1"
SUMMARY, FUNCTIONING, SCORE = "Uupumusoireita.", "Osa-aikainen työ mahdollinen.", '"wai-total"'
NUMBER = "A-back-surgery-told"
MADE = ("resourceType", "id", "meta", "text", "language", "subject")
"""What the adapter makes of every resource of a copy."""
ALSO_MADE = {
    ("Organization", "identifier"),
    ("Organization", "name"),
    ("Observation", "identifier"),
    *(("Provenance", each) for each in ("target", "recorded", "agent", "entity")),
}
"""The directory's name of an organisation, a number in place of the sender's, and what the copy is of."""


def _lets_assessments_go(settings: Path) -> None:
    """Give the site what the example lacks: consents and agreements of an assessment to the other sectors."""
    site = settings.parent
    model = json.loads((site / "consents" / "hilkka-p-2026-0313.json").read_bytes())
    agreed = (site / "agreements" / "kaskela-vuorela.toml").read_text("utf-8")
    for key, ground in GROUNDS.items():
        name, one = NAMES[key], json.loads(json.dumps(model))
        one["id"], one["identifier"][0]["value"] = f"a-{name}", f"A-{name}"
        one["patient"]["identifier"]["value"] = PERSON
        one["dateTime"] = one["provision"]["period"]["start"] = "2026-01-09"
        one["policyRule"]["coding"][0]["code"] = ground
        one["provision"]["actor"][0]["reference"] = {
            "identifier": {"system": "urn:ietf:rfc:3986", "value": key}
        }
        one["provision"]["class"][0]["code"] = "assessment"
        (site / "consents" / f"a-{name}.json").write_text(json.dumps(one), "utf-8")
        text = agreed.replace(VUORELA, key)
        if key == VUORELA:
            text = text.replace('["client-plan"]', '["client-plan", "assessment"]')
        else:
            text = text.replace('["client-plan"]', '["assessment"]')
        (site / "agreements" / f"kaskela-{name}.toml").write_text(text, "utf-8")


def _assessment() -> bytes:
    said = json.loads((folder("fixtures") / "assessment" / "back-surgery-told.json").read_bytes())
    said["recipient"] += [
        {"name": NAMES[key], "id": {"system": "urn:ietf:rfc:3986", "value": key}} for key in GROUNDS
    ]
    more = {"functioning": [{"icf": "d850", "text": FUNCTIONING}], "summary": SUMMARY}
    return json.dumps({**said, **more}, ensure_ascii=False).encode()


async def _send_assessment(stage: Played) -> None:
    headers = {
        "Authorization": f"Bearer {stage.world.token('kaskela')}",
        "Content-Type": "application/json",
    }
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
        door = f"{stage.world.adapter}/ingest/assessments"
        answered = await client.post(door, content=_assessment(), headers=headers)
    assert answered.status_code == 200, answered.text
    await stage.settled()


async def _send_plan(stage: Played) -> None:
    """The first version from social services, and the second from occupational health, which tells them."""
    for step in STEPS:
        if step.artefact == "plan" and step.status == 200:
            sent = await send(stage.world, step)
            assert sent.answered.is_success, sent.answered.body.decode()
            await stage.settled()


def _arrived(stage: Played) -> dict[str, dict[str, Any]]:
    """The last message of each receiver, as it came over the wire, by its name."""
    records = [*stage.world.oh_stub.inbox.items, *stage.world.hospital_stub.inbox.items]
    assert [issue for one in records for issue in one.issues if issue.is_error] == []
    bundles = [one.bundle for one in records if one.bundle is not None]
    return {NAMES[str(judge.receiver_of(each))]: each for each in bundles}


def _listed(artefact: str, register: str, level: str) -> set[tuple[str, str]]:
    """The elements of the table's types that this register may have at this level."""
    table = Path(adapter.relay.__file__).parent / "tables" / "disclosure-sectors.csv"
    with table.open(encoding="utf-8", newline="") as lines:
        return {
            (row["type"], row["element"].partition(".")[0])
            for row in csv.DictReader(lines)
            if artefact in row["artefact"].split() and level in row[register].split()
        }


def _unlisted(bundle: dict[str, Any], artefact: str, register: str, level: str) -> set[tuple[str, str]]:
    """Elements that came and stand in no line of the table for this register and level."""
    listed = _listed(artefact, register, level) | ALSO_MADE
    kinds = {kind for kind, _ in listed}
    found = {
        (str(one["resource"]["resourceType"]), name)
        for one in bundle["entry"]
        for name in one["resource"]
        if one["resource"]["resourceType"] != "MessageHeader"
    }
    return {(kind, name) for kind, name in found - listed if kind not in kinds or name not in MADE}


def _fates(stage: Played) -> dict[str, tuple[str, str]]:
    """State and level of the last copy for each receiver, by its name."""
    store = stage.world.deployment.store
    rows = [one for each in reversed(store.messages(limit=50)) for one in store.deliveries(each.id)]
    return {NAMES[one.recipient]: (one.state.value, one.level.value) for one in rows if one.level}


def _of(bundle: dict[str, Any], words: tuple[str, ...]) -> set[str]:
    """Which of the words a message says, in an element or in a text."""
    text = json.dumps(bundle, ensure_ascii=False, default=str)
    return {word for word in words if word in text}


def test_each_sector_receives_what_it_may_of_a_plan(play: Callable[..., None]) -> None:
    """All but employment services have the diagnosis; no receiver has an element that its column lacks."""

    async def journey(stage: Played) -> None:
        await _send_plan(stage)

        came, fates = _arrived(stage), _fates(stage)
        assert {
            name: (fates[name], _of(each, (DIAGNOSIS, '"Condition"'))) for name, each in came.items()
        } == {
            "kaskela": (CLINICAL, {DIAGNOSIS, '"Condition"'}),
            "vuorela": (CLINICAL, {DIAGNOSIS, '"Condition"'}),
            "kela": (CLINICAL, {DIAGNOSIS, '"Condition"'}),
            "tyollisyys": (MINIMAL, set()),
        }
        unlisted = [_unlisted(each, "plan", REGISTERS[name], fates[name][1]) for name, each in came.items()]
        assert unlisted == [set()] * 4

    play(journey)


def test_each_sector_receives_what_it_may_of_an_assessment(play: Callable[..., None]) -> None:
    """Employment services get no words, social services no count of illnesses, nobody the sender's number."""

    async def journey(stage: Played) -> None:
        await _send_assessment(stage)

        came, fates = _arrived(stage), _fates(stage)
        words = (SUMMARY, FUNCTIONING, SCORE, NUMBER)
        assert {name: (fates[name], _of(each, words)) for name, each in came.items()} == {
            "tuulilahti": (CLINICAL, {SUMMARY, FUNCTIONING, SCORE}),
            "vuorela": (CLINICAL, {SUMMARY, FUNCTIONING}),
            "kela": (CLINICAL, {SUMMARY, FUNCTIONING, SCORE}),
            "tyollisyys": (MINIMAL, set()),
        }
        unlisted = [
            _unlisted(each, "assessment", REGISTERS[name], fates[name][1]) for name, each in came.items()
        ]
        assert unlisted == [set()] * 4

    play(journey, change=_lets_assessments_go)
