"""Each rule of the profiles, broken once: the finding that it calls for comes, at the place it concerns."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tests.content.conftest import NOTIFICATIONS, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.validation.validator import Validator

    Break = Callable[[dict[str, Any]], None]

BASE = "https://silta.example/fhir"


def _of(bundle: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind)


def _second(kind: str) -> Break:
    def add(bundle: dict[str, Any]) -> None:
        entry = copy.deepcopy(next(e for e in bundle["entry"] if e["resource"]["resourceType"] == kind))
        entry["fullUrl"] = "urn:uuid:00000000-0000-4000-8000-00000000abcd"
        entry["resource"]["id"] = "00000000-0000-4000-8000-00000000abcd"
        bundle["entry"].append(entry)

    return add


def _reverse(bundle: dict[str, Any]) -> None:
    bundle["entry"] = [*bundle["entry"][1:], bundle["entry"][0]]


def _meaning(code: str) -> Break:
    return lambda bundle: _of(bundle, "MessageHeader")["reason"]["coding"][0].update(code=code)


def _minimal(bundle: dict[str, Any]) -> None:
    communication = _of(bundle, "Communication")
    communication["meta"]["profile"] = [f"{BASE}/StructureDefinition/care-episode-notification"]
    communication["extension"][0]["valueCode"] = "minimal"


def _cancel(bundle: dict[str, Any]) -> None:
    _of(bundle, "MessageHeader")["eventCoding"]["code"] = "cancel"


def _on(kind: str, **changes: Any) -> Break:
    return lambda bundle: _of(bundle, kind).update(changes)


def _drop(kind: str, key: str) -> Break:
    def drop(bundle: dict[str, Any]) -> None:
        del _of(bundle, kind)[key]

    return drop


def _component(code: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"code": {"coding": [{"system": f"{BASE}/CodeSystem/notification-item", "code": code}]}, **value}


def _only(code: str, value_set: str, value: str) -> Break:
    return _on("Observation", component=[_component(code, _coded(value_set, value))])


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system if ":" in system else f"{BASE}/CodeSystem/{system}", "code": code}]}


def _leave(start: str, end: str) -> Break:
    return _on("Observation", effectivePeriod={"start": start, "end": end})


def _moment(bundle: dict[str, Any]) -> None:
    leave = _of(bundle, "Observation")
    leave["effectiveDateTime"] = leave.pop("effectivePeriod")["start"]


def _event(**changes: str) -> Break:
    return lambda bundle: _of(bundle, "MessageHeader")["eventCoding"].update(changes)


def _level(bundle: dict[str, Any]) -> dict[str, Any]:
    return dict(_of(bundle, "Communication"))["extension"][0]


def _coded(system: str, code: str) -> dict[str, Any]:
    return {"valueCodeableConcept": {"coding": [{"system": f"{BASE}/CodeSystem/{system}", "code": code}]}}


BROKEN: list[tuple[str, Break]] = [
    ("nm-1", _second("Patient")),
    ("nm-2", _second("Communication")),
    ("nm-3", _reverse),
    ("nm-4", _meaning("planned")),
    ("nm-4", _meaning("update")),
    ("nm-5", _minimal),
    ("nm-6", _cancel),
    ("pn-1", _on("Communication", priority="stat")),
    ("pn-2", _drop("Communication", "about")),
    ("pr-1", _drop("Procedure", "performedDateTime")),
    ("pr-2", _on("Procedure", code={"coding": []})),
    ("dg-1", _on("Condition", code=_concept("urn:oid:1.2.246.537.6.1", "M51.1+G55.1"))),
    ("sl-1", _leave("2026-03-09T08:00:00+02:00", "2026-03-23")),
    ("sl-2", _leave("2026-03-23", "2026-03-09")),
    ("sl-3", _only("sick-leave-practice", "sick-leave-practice", "review-at-date")),
    ("pt-2", lambda bundle: _of(bundle, "Patient")["identifier"][0].update(value="not a code")),
]

WRONG: list[tuple[str, str, Break]] = [
    ("identifier missing", "Bundle.identifier", lambda bundle: bundle.pop("identifier")),
    ("timestamp missing", "Bundle.timestamp", lambda bundle: bundle.pop("timestamp")),
    ("no message", "Bundle.type", lambda bundle: bundle.update(type="collection")),
    ("event of another system", "event", _event(system="urn:x")),
    ("event that carries no notification", "event", _event(code="feedback")),
    (
        "official identifier of a hospital",
        "identifier[0].system",
        lambda bundle: _of(bundle, "Patient")["identifier"][0].update(system="urn:x:y"),
    ),
    ("no reason", "reason", _drop("MessageHeader", "reason")),
    ("no sender", "sender", _drop("MessageHeader", "sender")),
    ("no notification id", "identifier", _drop("Communication", "identifier")),
    ("no subject", "subject", _drop("Communication", "subject")),
    ("no sent", "sent", _drop("Communication", "sent")),
    ("leave without an end", "effective", _on("Observation", effectivePeriod={"start": "2026-03-09"})),
    ("leave at a moment", "effective", _moment),
    (
        "leave with another code",
        "code",
        _on("Observation", code=_concept("http://snomed.info/sct", "224363007")),
    ),
    ("degree of no code", "component", _only("incapacity-degree", "incapacity-degree", "half")),
    ("request of no code", "code", _on("ServiceRequest", code=_concept("oh-request", "fix"))),
    ("request as a plan", "intent", _on("ServiceRequest", intent="plan")),
    ("level of no code", "extension", lambda b: _level(b).update(valueCode="full")),
    ("level missing", "extension", lambda b: _of(b, "Communication")["extension"].pop(0)),
]


def _message() -> dict[str, Any]:
    return copy.deepcopy(read(NOTIFICATIONS / "gallbladder.fhir.json"))


@pytest.mark.parametrize(
    ("rule", "break_it"), BROKEN, ids=lambda value: value if isinstance(value, str) else ""
)
def test_breaking_an_invariant_is_found(rule: str, break_it: Break, validator: Validator) -> None:
    """The invariant's own key is named."""
    bundle = _message()
    break_it(bundle)

    named = {str(value) for issue in validator.validate(bundle) for value in issue.params.values()}

    assert rule in named


@pytest.mark.parametrize(
    ("what", "place", "break_it"), WRONG, ids=lambda value: value if isinstance(value, str) else ""
)
def test_breaking_an_element_is_found(what: str, place: str, break_it: Break, validator: Validator) -> None:
    """An error is given at the element that is wrong."""
    bundle = _message()
    break_it(bundle)

    places = [issue.at or "" for issue in validator.validate(bundle) if issue.is_error]

    assert any(place in at for at in places), (what, places)


def test_the_whole_message_is_valid(validator: Validator) -> None:
    """Unbroken, the message has no error."""
    assert [(issue.code, issue.at) for issue in validator.validate(_message()) if issue.is_error] == []
