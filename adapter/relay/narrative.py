"""The narrative of a copy: one screen a person reads, written anew from the copy and from nothing else.

Who, what happened, leave until when, what is asked, on what ground, and what was left out; in the language
of the recipient.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.relay.element import child, children, codes, text
from adapter.relay.message import Level, Meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from adapter.relay.deployment import Language
    from adapter.relay.element import Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the narrative says that does not stand in the resources."""

    language: Language
    level: Level
    meaning: Meaning
    is_correction: bool
    """True if it replaces a notification sent earlier."""
    sender: str | None
    basis: str | None
    is_protected: bool
    """True if the person's address is protected."""


WORDS: dict[str, dict[Language, str]] = {
    "who": {"en": "Person", "fi": "Henkilö", "sv": "Person"},
    "born": {"en": "born", "fi": "s.", "sv": "f."},
    "from": {"en": "From", "fi": "Lähettäjä", "sv": "Avsändare"},
    "what": {"en": "What happened", "fi": "Mitä tapahtui", "sv": "Vad har hänt"},
    "diagnosis": {"en": "Diagnosis", "fi": "Diagnoosi", "sv": "Diagnos"},
    "leave": {"en": "Sick leave", "fi": "Sairauspoissaolo", "sv": "Sjukfrånvaro"},
    "asked": {"en": "Asked of you", "fi": "Teiltä pyydetään", "sv": "Av er begärs"},
    "note": {"en": "Note", "fi": "Lisätieto", "sv": "Tilläggsuppgift"},
    "contact": {"en": "Questions", "fi": "Kysymykset", "sv": "Frågor"},
    "basis": {"en": "Ground of disclosure", "fi": "Luovutuksen peruste", "sv": "Grund för utlämnandet"},
    "left-out": {"en": "Left out", "fi": "Jätetty pois", "sv": "Utelämnat"},
    "episode": {
        "en": "A care episode at the hospital",
        "fi": "Hoitojakso sairaalassa",
        "sv": "En vårdperiod på sjukhuset",
    },
    "planned": {"en": "planned", "fi": "suunniteltu", "sv": "planerad"},
    "unknown": {"en": "not known if done", "fi": "toteutumisesta ei tietoa", "sv": "oklart om utförd"},
    "cancelled": {
        "en": "The notification sent earlier is cancelled: it is not to be acted upon.",
        "fi": "Aiemmin lähetetty ilmoitus on peruttu: sen perusteella ei pidä toimia.",
        "sv": "Det tidigare meddelandet har återkallats: det ska inte föranleda åtgärder.",
    },
    "corrected": {
        "en": "This replaces the notification sent earlier.",
        "fi": "Tämä korvaa aiemmin lähetetyn ilmoituksen.",
        "sv": "Detta ersätter det tidigare meddelandet.",
    },
    "minimal": {
        "en": "procedure, diagnosis, unit, persons and free text: the permitted level is minimal",
        "fi": "toimenpide, diagnoosi, yksikkö, henkilöt ja vapaa teksti: sallittu taso on suppea",
        "sv": "åtgärd, diagnos, enhet, personer och fritext: den tillåtna nivån är minimal",
    },
    "protected": {
        "en": "address, telephone numbers and free text: the address is protected",
        "fi": "osoite, puhelinnumerot ja vapaa teksti: henkilöllä on turvakielto",
        "sv": "adress, telefonnummer och fritext: personen har spärrmarkering",
    },
    "attachments": {
        "en": "attachments and everything not listed for this level",
        "fi": "liitteet ja kaikki, mitä tälle tasolle ei ole lueteltu",
        "sv": "bilagor och allt som inte är uppräknat för denna nivå",
    },
}

BASIS_WORDS: dict[str, dict[Language, str]] = {
    "luovutuslupa": {"en": "Disclosure permit", "fi": "Luovutuslupa", "sv": "Utlämningstillstånd"},
    "explicit-consent": {
        "en": "Explicit consent",
        "fi": "Nimenomainen suostumus",
        "sv": "Uttryckligt samtycke",
    },
    "referral-consent": {
        "en": "Consent given for a referral",
        "fi": "Lähetettä varten annettu suostumus",
        "sv": "Samtycke för remiss",
    },
    "statutory": {"en": "Statute", "fi": "Laki", "sv": "Lag"},
    "purchased-service": {"en": "Purchased service", "fi": "Ostopalvelu", "sv": "Köptjänst"},
    "patient-request": {"en": "Patient's request", "fi": "Potilaan pyyntö", "sv": "Patientens begäran"},
}

REQUEST_WORDS: dict[str, dict[Language, str]] = {
    "contact-patient": {
        "en": "contact the patient",
        "fi": "yhteydenotto potilaaseen",
        "sv": "kontakta patienten",
    },
    "assess-work-ability": {
        "en": "assess the work ability",
        "fi": "työkyvyn arvio",
        "sv": "bedöm arbetsförmågan",
    },
    "negotiate": {
        "en": "occupational health negotiation",
        "fi": "työterveysneuvottelu",
        "sv": "företagshälsovårdsförhandling",
    },
    "plan-return": {
        "en": "plan the return to work",
        "fi": "työhön paluun suunnittelu",
        "sv": "planera återgången till arbetet",
    },
    "continue-sick-leave": {
        "en": "decide on continuing the sick leave",
        "fi": "sairauspoissaolon jatkosta päättäminen",
        "sv": "besluta om fortsatt sjukfrånvaro",
    },
}


def of_notification(resources: Sequence[Element], told: Told) -> dict[str, str]:
    """Return the Narrative of a copy's Communication, `resources` being the copy's own.

    R4 Narrative, status generated; XHTML without links, images or styles.
    """
    rows = "".join(
        f"<tr><th>{html.escape(WORDS[label][told.language])}</th><td>{html.escape(value)}</td></tr>"
        for label, value in _rows(resources, told)
    )
    lead = _lead(told)
    paragraph = f"<p>{html.escape(lead)}</p>" if lead else ""
    language = told.language
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{language}" xml:lang="{language}">'
        f"{paragraph}<table>{rows}</table></div>",
    }


def _lead(told: Told) -> str | None:
    if told.meaning is Meaning.CANCEL:
        return WORDS["cancelled"][told.language]
    return WORDS["corrected"][told.language] if told.is_correction else None


def _rows(resources: Sequence[Element], told: Told) -> Iterator[tuple[str, str]]:
    language = told.language
    for patient in _of(resources, "Patient"):
        yield "who", _person(patient, language)
    if told.sender:
        yield "from", told.sender
    if told.meaning is not Meaning.CANCEL:
        yield from _happened(resources, told)
    if told.basis:
        yield "basis", BASIS_WORDS.get(told.basis, {}).get(language, told.basis)
    if told.meaning is not Meaning.CANCEL:
        yield "left-out", "; ".join(WORDS[each][language] for each in _left_out(told))


def _happened(resources: Sequence[Element], told: Told) -> Iterator[tuple[str, str]]:
    language = told.language
    if told.level is Level.MINIMAL:
        planned = f" ({WORDS['planned'][language]})" if told.meaning is Meaning.PLANNED else ""
        yield "what", WORDS["episode"][language] + planned
    for procedure in _of(resources, "Procedure"):
        yield "what", _procedure(procedure, language)
    for condition in _of(resources, "Condition"):
        yield "diagnosis", _concept(child(condition, "code"))
    for observation in _of(resources, "Observation"):
        period = child(observation, "effectivePeriod")
        yield "leave", f"{_day(text(period, 'start'))}–{_day(text(period, 'end'))}"
    asked = [
        REQUEST_WORDS.get(code, {}).get(language, code)
        for request in _of(resources, "ServiceRequest")
        for _, code in codes(child(request, "code"))
    ]
    if asked:
        yield "asked", ", ".join(asked)
    for communication in _of(resources, "Communication"):
        for payload in children(communication, "payload"):
            yield "note", text(payload, "contentString") or ""
        for extension in children(communication, "extension"):
            number = text(child(extension, "valueContactPoint"), "value")
            if number:
                yield "contact", number


def _left_out(told: Told) -> Iterator[str]:
    if told.level is Level.MINIMAL:
        yield "minimal"
    if told.is_protected:
        yield "protected"
    yield "attachments"


def _of(resources: Iterable[Element], kind: str) -> Iterator[Element]:
    return (each for each in resources if each.get("resourceType") == kind)


def _person(patient: Element, language: Language) -> str:
    names = [_name(each) for each in children(patient, "name")]
    said = next((name for name in names if name), "")
    born = text(patient, "birthDate")
    return f"{said}, {WORDS['born'][language]} {_day(born)}" if born else said


def _name(name: Element) -> str:
    given = name.get("given")
    first = " ".join(each for each in given if isinstance(each, str)) if isinstance(given, list) else ""
    return text(name, "text") or f"{first} {text(name, 'family') or ''}".strip()


def _procedure(procedure: Element, language: Language) -> str:
    period = child(procedure, "performedPeriod")
    when = text(procedure, "performedDateTime") or text(period, "end") or text(period, "start")
    said = _concept(child(procedure, "code"))
    status = text(procedure, "status")
    if status in ("preparation", "unknown"):
        said = f"{said} ({WORDS['planned' if status == 'preparation' else 'unknown'][language]})"
    return f"{said}, {_day(when)}" if when else said


def _concept(concept: Element) -> str:
    displays = [text(coding, "display") for coding in children(concept, "coding")]
    named = " ".join(code for _, code in codes(concept))
    words = text(concept, "text") or next((each for each in displays if each), None)
    return f"{words} ({named})" if words and named else words or named


def _day(value: str | None) -> str:
    """The day as it is written in Finland; what is not a whole day stays as it is."""
    if not value:
        return ""
    parts = value.partition("T")[0].split("-")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return value
    return f"{int(parts[2])}.{int(parts[1])}.{parts[0]}"
