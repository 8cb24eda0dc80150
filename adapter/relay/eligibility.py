"""Eligibility: whether a message is one that hospital and provider, or any other two, have agreed to send.

Each pair has an agreement, a table of what goes: events, ages, procedure and diagnosis groups on a positive
list, whether a sick leave must be there, how much the provider may see, and the sensitive list. What is on
the sensitive list is never relayed automatically, whatever permit exists: a person releases it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from adapter.errors import ConfigurationError
from adapter.outcome import Issue
from adapter.relay import event
from adapter.relay.artefact import Artefact
from adapter.relay.directory import key_of
from adapter.relay.message import Level, Meaning
from adapter.relay.notification import ACT_REASON

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from adapter.relay.notification import Notification

PROCEDURE_CLASS = "urn:oid:1.2.246.537.6.2"
"""THL toimenpideluokitus; the prefixes of an agreement are of this system."""
ICD10 = "urn:oid:1.2.246.537.6.1"
SPECIALTY = "urn:oid:1.2.246.537.6.148"
TREATMENT: Final = "TREAT"
"""v3-ActReason: the purpose of an agreement that names none."""

RULE_BASES = ("statutory", "purchased-service")
"""Bases of disclosure that are not a patient's own Consent: an agreement has to name them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What one hospital and one provider have agreed."""

    name: str
    hospital: str
    provider: str
    events: frozenset[str]
    covers_planned: bool
    """True if procedures that are only planned are told as well."""
    age_from: int | None
    """In whole years at the procedure; None if there is no lower end."""
    age_to: int | None
    """The oldest age that is still included."""
    procedures: tuple[str, ...]
    """Code prefixes, one of which a procedure must have; empty if none is asked for."""
    diagnoses: tuple[str, ...]
    needs_sick_leave: bool
    sensitive_procedures: tuple[str, ...]
    sensitive_diagnoses: tuple[str, ...]
    sensitive_specialties: tuple[str, ...]
    levels: frozenset[Level]
    """What the provider may get."""
    valid_from: date | None
    valid_to: date | None
    purpose: str
    """Purpose of use, v3-ActReason."""
    bases: frozenset[str]
    """Bases other than a Consent that hold between these two: `statutory`, `purchased-service`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligible:
    """The notification is one of those agreed on.

    `sensitive`: codes of the findings that call for a person's release; empty if nothing does.
    """

    agreement: Agreement
    sensitive: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotEligible:
    """The notification is not one of those agreed on."""

    reasons: tuple[str, ...]
    """Every reason at once, codes of the catalogue, the most general first."""


def assess(
    notification: Notification, meaning: Meaning, agreement: Agreement | None, on: date | None
) -> Eligible | NotEligible:
    """Hold a notification against the agreement of its sender and one provider.

    `agreement`: None if there is none. `on`: the day that ages and validity are asked for, normally
    `notification.day`; None if the message names no day, which nothing is eligible on.
    """
    if agreement is None:
        return NotEligible(reasons=("PN201",))
    reasons = tuple(_reasons(notification, meaning, agreement, on))
    if reasons:
        return NotEligible(reasons=reasons)
    return Eligible(agreement=agreement, sensitive=tuple(_sensitive(notification, agreement)))


def agreement_of(agreements: Iterable[Agreement], hospital: str, provider: str) -> tuple[Agreement, ...]:
    """Return the agreements between two organisations; normally one, of which parts may follow in time."""
    return tuple(each for each in agreements if (each.hospital, each.provider) == (hospital, provider))


def assess_pair(
    notification: Notification, meaning: Meaning, agreements: Iterable[Agreement], on: date | None
) -> Eligible | NotEligible:
    """Hold a notification against every agreement of a pair: the first that fits decides.

    Without one that fits the reasons are those of the last, which is the one in force unless none is.
    """
    answer: Eligible | NotEligible = assess(notification, meaning, None, on)
    for agreement in sorted(agreements, key=lambda each: each.valid_from or date.min):
        answer = assess(notification, meaning, agreement, on)
        if isinstance(answer, Eligible):
            return answer
    return answer


def age(born: date, on: date) -> int:
    """Return the age in whole years on a day; someone born on 29 February is a year older on 1 March."""
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def _reasons(
    notification: Notification, meaning: Meaning, agreement: Agreement, on: date | None
) -> Iterator[str]:
    if on is None:
        yield "PN214"
    elif not _is_within(on, agreement.valid_from, agreement.valid_to):
        yield "PN202"
    if notification.rule_event not in agreement.events:
        yield "PN203"
    if meaning is Meaning.PLANNED and not agreement.covers_planned:
        yield "PN215"
    if meaning is Meaning.DONE and not agreement.covers_planned and not _is_done(notification):
        yield "PN216"
    if on is not None:
        yield from _age_reasons(notification, agreement, on)
    if any(patient.is_deceased for patient in notification.patients):
        yield "PN207"
    if notification.artefact is Artefact.NOTIFICATION:
        yield from _procedure_reasons(notification, meaning, agreement)


def _procedure_reasons(notification: Notification, meaning: Meaning, agreement: Agreement) -> Iterator[str]:
    """What the two agreed on procedures and sick leaves, which an assessment or a plan need not have."""
    is_done_only = meaning is Meaning.DONE and not agreement.covers_planned
    procedures = _procedures(notification, is_done_only=is_done_only)
    if agreement.procedures and not _has_prefix(procedures, agreement.procedures):
        yield "PN208"
    if agreement.diagnoses and not _has_prefix(_diagnoses(notification), agreement.diagnoses):
        yield "PN209"
    if agreement.needs_sick_leave and notification.sick_leave is None:
        yield "PN210"


def _age_reasons(notification: Notification, agreement: Agreement, on: date) -> Iterator[str]:
    if agreement.age_from is None and agreement.age_to is None:
        return
    patient = notification.patient
    born = patient.born if patient else None
    if born is None:
        yield "PN204"
        return
    years = age(born, on)
    if agreement.age_from is not None and years < agreement.age_from:
        yield "PN205"
    if agreement.age_to is not None and years > agreement.age_to:
        yield "PN206"


def _sensitive(notification: Notification, agreement: Agreement) -> Iterator[str]:
    if _has_prefix(_procedures(notification), agreement.sensitive_procedures):
        yield "PN211"
    if _has_prefix(_diagnoses(notification), agreement.sensitive_diagnoses):
        yield "PN212"
    specialties = [code for system, code in notification.specialties if system == SPECIALTY]
    if _has_prefix(specialties, agreement.sensitive_specialties):
        yield "PN213"


def _is_done(notification: Notification) -> bool:
    """False where the message has procedures and none of them was done: to come, or nobody knows."""
    return not notification.procedures or any(each.is_completed for each in notification.procedures)


def _procedures(notification: Notification, *, is_done_only: bool = False) -> list[str]:
    return [
        code
        for each in notification.procedures
        if each.is_completed or not is_done_only
        for system, code in each.codes
        if system == PROCEDURE_CLASS
    ]


def _diagnoses(notification: Notification) -> list[str]:
    return [code for system, code in notification.diagnoses if system == ICD10]


def _has_prefix(codes: Iterable[str], prefixes: tuple[str, ...]) -> bool:
    """Codes are held without their dot: `M54.5` and `M545` are one diagnosis."""
    bare = tuple(prefix.replace(".", "").upper() for prefix in prefixes)
    return any(code.replace(".", "").upper().startswith(bare) for code in codes)


def _is_within(day: date, start: date | None, end: date | None) -> bool:
    return (start is None or start <= day) and (end is None or day <= end)


# Reading an agreement -------------------------------------------------------------------------------------

KEYS = (
    "hospital",
    "provider",
    "events",
    "planned",
    "age",
    "procedures",
    "diagnoses",
    "sick_leave",
    "sensitive",
    "levels",
    "valid",
    "purpose",
    "bases",
)
_AGE_KEYS = ("from", "to")
_SENSITIVE_KEYS = ("procedures", "diagnoses", "specialties")


def read_agreement(values: Mapping[str, Any], name: str = "agreement") -> Agreement:
    """Read an agreement from its TOML table.

    `name` stands in complaints. Raises ConfigurationError (PN300) with every fault: an unknown key with the
    nearest known one, a missing key, a value of the wrong kind.
    """
    reader = _Reader(name)
    reader.keys(values, KEYS, "")
    sensitive, ages, valid = (reader.table(values, key) for key in ("sensitive", "age", "valid"))
    reader.keys(sensitive, _SENSITIVE_KEYS, "sensitive.")
    reader.keys(ages, _AGE_KEYS, "age.")
    reader.keys(valid, _AGE_KEYS, "valid.")
    agreement = Agreement(
        name=name,
        hospital=reader.organisation(values, "hospital"),
        provider=reader.organisation(values, "provider"),
        events=frozenset(reader.choices(values, "events", tuple(event.MEANINGS_OF_EVENT))),
        covers_planned=reader.flag(values, "planned"),
        age_from=reader.number(ages, "age.from"),
        age_to=reader.number(ages, "age.to"),
        procedures=reader.prefixes(values, "procedures"),
        diagnoses=reader.prefixes(values, "diagnoses"),
        needs_sick_leave=reader.word(values, "sick_leave", ("required", "optional"), "optional")
        == "required",
        sensitive_procedures=reader.prefixes(sensitive, "sensitive.procedures"),
        sensitive_diagnoses=reader.prefixes(sensitive, "sensitive.diagnoses"),
        sensitive_specialties=reader.prefixes(sensitive, "sensitive.specialties"),
        levels=frozenset(Level(each) for each in reader.choices(values, "levels", tuple(Level))),
        valid_from=reader.day(valid, "valid.from"),
        valid_to=reader.day(valid, "valid.to"),
        purpose=reader.word(values, "purpose", None, TREATMENT),
        bases=frozenset(reader.choices(values, "bases", RULE_BASES, is_required=False)),
    )
    if reader.faults:
        count = len(reader.faults)
        raise ConfigurationError(
            "PN300", at=name, params={"name": name, "count": count}, issues=reader.faults
        )
    return agreement


class _Reader:
    """Takes values out of a TOML table and keeps every fault."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: list[Issue] = []

    def fault(self, code: str, key: str, **params: str) -> None:
        self.faults.append(Issue(code, at=f"{self.name}: {key}", params={"key": key, **params}))

    def keys(self, values: Mapping[str, Any], known: tuple[str, ...], prefix: str) -> None:
        for key in values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
                self.fault("PN301", f"{prefix}{key}", nearest=f"{prefix}{near[0]}")

    def table(self, values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        found = values.get(key, {})
        if isinstance(found, dict):
            return found
        self.fault("PN303", key, expected="table")
        return {}

    def organisation(self, values: Mapping[str, Any], key: str) -> str:
        found = values.get(key)
        if found is None:
            self.fault("PN302", key)
            return ""
        named = key_of({"value": found}) if isinstance(found, str) else None
        if named is None:
            self.fault("PN303", key, expected="organisation identifier")
        return named or ""

    def strings(self, values: Mapping[str, Any], name: str) -> tuple[str, ...]:
        found = values.get(name.rpartition(".")[2], [])
        if isinstance(found, list) and all(isinstance(each, str) and each.strip() for each in found):
            return tuple(found)
        self.fault("PN303", name, expected="list of texts")
        return ()

    def prefixes(self, values: Mapping[str, Any], name: str) -> tuple[str, ...]:
        return tuple(each.strip() for each in self.strings(values, name))

    def choices(
        self, values: Mapping[str, Any], key: str, known: tuple[str, ...], *, is_required: bool = True
    ) -> tuple[str, ...]:
        if is_required and not values.get(key):
            self.fault("PN302", key)
        named = self.strings(values, key)
        for each in named:
            if each not in known:
                self.fault("PN304", key, value=each, known=", ".join(known))
        return tuple(each for each in named if each in known)

    def word(self, values: Mapping[str, Any], key: str, known: tuple[str, ...] | None, default: str) -> str:
        found = values.get(key, default)
        if isinstance(found, str) and (known is None or found in known):
            return found
        self.fault("PN304", key, value=str(found), known=", ".join(known or (f"{ACT_REASON} code",)))
        return default

    def flag(self, values: Mapping[str, Any], key: str) -> bool:
        found = values.get(key, False)
        if isinstance(found, bool):
            return found
        self.fault("PN303", key, expected="true or false")
        return False

    def number(self, values: Mapping[str, Any], name: str) -> int | None:
        found = values.get(name.rpartition(".")[2])
        if found is None or (isinstance(found, int) and not isinstance(found, bool) and found >= 0):
            return found
        self.fault("PN303", name, expected="whole number")
        return None

    def day(self, values: Mapping[str, Any], name: str) -> date | None:
        """A TOML date, or its text where the table went through JSON."""
        found = values.get(name.rpartition(".")[2])
        if found is None or type(found) is date:
            return found
        try:
            return date.fromisoformat(found)
        except (TypeError, ValueError):
            self.fault("PN303", name, expected="date")
            return None
