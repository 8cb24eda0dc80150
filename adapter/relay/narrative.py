"""The narrative of a copy: one screen a person reads, written anew from the copy and from nothing else.

Who, what happened, leave until when, what is asked, who continues, whom to call, on what ground, and what was
left out; in the language of the recipient.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from adapter.fhir import hetu
from adapter.fhir.canonical import BASE
from adapter.relay.element import child, children, codes, text
from adapter.relay.message import Level, Meaning
from adapter.shipped import folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from adapter.outcome import Language
    from adapter.relay.element import Element

    Words = dict[str, dict[Language, str]]


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


# Words ----------------------------------------------------------------------------------------------------

TITLES: Words = {
    "cancel": {
        "en": "Notification cancelled",
        "fi": "Ilmoitus on peruttu",
        "sv": "Meddelandet har återkallats",
    },
    "clinical": {"en": "Procedure notification", "fi": "Toimenpideilmoitus", "sv": "Åtgärdsmeddelande"},
    "assessment": {
        "en": "Work-ability assessment",
        "fi": "Työ- ja toimintakyvyn arvio",
        "sv": "Bedömning av arbets- och funktionsförmåga",
    },
    "plan": {"en": "Shared client plan", "fi": "Yhteinen asiakassuunnitelma", "sv": "Gemensam klientplan"},
    "minimal": {
        "en": "Care episode notification",
        "fi": "Ilmoitus hoitojaksosta",
        "sv": "Meddelande om vårdperiod",
    },
}

WORDS: Words = {
    "who": {"en": "Person", "fi": "Henkilö", "sv": "Person"},
    "born": {"en": "born", "fi": "s.", "sv": "f."},
    "code": {"en": "personal identity code", "fi": "henkilötunnus", "sv": "personbeteckning"},
    "reach": {"en": "Phone of the person", "fi": "Henkilön puhelin", "sv": "Personens telefon"},
    "from": {"en": "From", "fi": "Lähettäjä", "sv": "Avsändare"},
    "what": {"en": "What happened", "fi": "Mitä tapahtui", "sv": "Vad har hänt"},
    "to-come": {"en": "What is planned", "fi": "Mitä on suunniteltu", "sv": "Vad är planerat"},
    "diagnosis": {"en": "Diagnosis", "fi": "Diagnoosi", "sv": "Diagnos"},
    "leave": {"en": "Sick leave", "fi": "Sairauspoissaolo", "sv": "Sjukfrånvaro"},
    "included": {
        "en": "last day included",
        "fi": "viimeinen päivä mukaan lukien",
        "sv": "sista dagen inräknad",
    },
    "asked": {"en": "You are asked to", "fi": "Teiltä pyydetään", "sv": "Vi ber er"},
    "continues": {"en": "Who continues", "fi": "Jatkovastuu", "sv": "Ansvar för fortsättningen"},
    "review": {
        "en": "To be reviewed on {day}.",
        "fi": "Tilanne arvioidaan {day}.",
        "sv": "Läget bedöms {day}.",
    },
    "not-stated": {
        "en": "Not stated in the notification.",
        "fi": "Ilmoituksessa ei kerrota.",
        "sv": "Framgår inte av meddelandet.",
    },
    "note": {"en": "Message", "fi": "Viesti", "sv": "Meddelande"},
    "contact": {"en": "For questions", "fi": "Lisätietoja", "sv": "Närmare upplysningar"},
    "phone": {"en": "tel.", "fi": "puh.", "sv": "tfn"},
    "plan": {"en": "Plan", "fi": "Suunnitelma", "sv": "Plan"},
    "coordinator": {"en": "Coordinator", "fi": "Vastuuhenkilö", "sv": "Ansvarig person"},
    "goals": {"en": "Goals", "fi": "Tavoitteet", "sv": "Mål"},
    "agreed": {"en": "Agreed", "fi": "Sovittu", "sv": "Överenskommet"},
    "next-review": {"en": "Next review", "fi": "Seuraava arviointi", "sv": "Nästa bedömning"},
    "rest-of-plan": {
        "en": "everything in the plan that does not concern the recipient",
        "fi": "suunnitelman muut kuin vastaanottajaa koskevat tiedot",
        "sv": "sådana uppgifter i planen som inte gäller mottagaren",
    },
    "assessed": {"en": "Assessment", "fi": "Arvio", "sv": "Bedömning"},
    "result": {"en": "Result", "fi": "Tulos", "sv": "Resultat"},
    "proposed": {"en": "Proposed", "fi": "Ehdotettu", "sv": "Föreslaget"},
    "yes": {"en": "yes", "fi": "kyllä", "sv": "ja"},
    "no": {"en": "no", "fi": "ei", "sv": "nej"},
    "withheld": {"en": "not told", "fi": "ei kerrota", "sv": "anges inte"},
    "rest-of-assessment": {
        "en": "results that do not concern the recipient",
        "fi": "tulokset, jotka eivät koske vastaanottajaa",
        "sv": "resultat som inte gäller mottagaren",
    },
    "no-longer": {
        "en": "What was sent earlier no longer holds. Please do not act on it.",
        "fi": "Aiemmin lähetetty ei enää pidä paikkaansa. Älkää toimiko sen perusteella.",
        "sv": "Det som sänts tidigare gäller inte längre. Vidta inga åtgärder utifrån det.",
    },
    "newer": {
        "en": "This replaces what was sent earlier.",
        "fi": "Tämä korvaa aiemmin lähetetyn.",
        "sv": "Detta ersätter det som sänts tidigare.",
    },
    "basis": {"en": "Basis of disclosure", "fi": "Luovutuksen peruste", "sv": "Grund för utlämnandet"},
    "left-out": {"en": "Left out", "fi": "Jätetty pois", "sv": "Utelämnat"},
    "episode": {
        "en": "Care episode at the hospital",
        "fi": "Hoitojakso sairaalassa",
        "sv": "Vårdperiod på sjukhus",
    },
    "planned-episode": {
        "en": "Planned care episode at the hospital",
        "fi": "Suunniteltu hoitojakso sairaalassa",
        "sv": "Planerad vårdperiod på sjukhus",
    },
    "cancelled": {
        "en": "The notification sent earlier no longer holds. Please do not act on it.",
        "fi": "Aiemmin lähetetty ilmoitus ei enää pidä paikkaansa. Älkää toimiko sen perusteella.",
        "sv": "Det tidigare meddelandet gäller inte längre. Vidta inga åtgärder utifrån det.",
    },
    "corrected": {
        "en": "This notification replaces the one sent earlier.",
        "fi": "Tämä ilmoitus korvaa aiemmin lähetetyn ilmoituksen.",
        "sv": "Detta meddelande ersätter det tidigare meddelandet.",
    },
    "minimal": {
        "en": "procedure, diagnosis, unit, professionals and free text (only minimal data may be disclosed)",
        "fi": "toimenpide, diagnoosi, yksikkö, ammattilaiset ja vapaa teksti "
        "(vain suppeat tiedot saadaan luovuttaa)",
        "sv": "åtgärd, diagnos, enhet, yrkespersoner och fritext (endast minimiuppgifter får lämnas ut)",
    },
    "protected": {
        "en": "the person's address and phone numbers and free text, because the address is protected",
        "fi": "henkilön osoite ja puhelinnumerot sekä vapaa teksti, koska henkilöllä on turvakielto",
        "sv": "personens adress och telefonnummer samt fritext, eftersom personen har spärrmarkering",
    },
    "attachments": {
        "en": "attachments and other patient data",
        "fi": "liitteet ja muut potilastiedot",
        "sv": "bilagor och övriga patientuppgifter",
    },
}

STATUS_WORDS: Words = {
    "completed": {"en": "done", "fi": "tehty", "sv": "utförd"},
    "preparation": {"en": "planned", "fi": "suunniteltu", "sv": "planerad"},
    "in-progress": {"en": "under way", "fi": "kesken", "sv": "pågår"},
    "on-hold": {"en": "on hold", "fi": "odottaa", "sv": "vilande"},
    "stopped": {"en": "stopped", "fi": "keskeytetty", "sv": "avbruten"},
    "not-done": {"en": "not done", "fi": "ei tehty", "sv": "inte utförd"},
    "entered-in-error": {"en": "entered in error", "fi": "kirjattu virheellisesti", "sv": "felregistrerad"},
    "unknown": {"en": "not known if done", "fi": "ei tietoa, onko tehty", "sv": "oklart om utförd"},
}
"""R4 event-status of a procedure."""

ACTIVITY_WORDS: Words = {
    "not-started": {"en": "not started", "fi": "ei aloitettu", "sv": "inte påbörjat"},
    "scheduled": {"en": "scheduled", "fi": "ajankohta sovittu", "sv": "tidpunkt avtalad"},
    "in-progress": {"en": "under way", "fi": "käynnissä", "sv": "pågår"},
    "on-hold": {"en": "on hold", "fi": "tauolla", "sv": "vilande"},
    "completed": {"en": "completed", "fi": "valmis", "sv": "slutfört"},
    "cancelled": {"en": "cancelled", "fi": "peruttu", "sv": "inställt"},
    "stopped": {"en": "stopped", "fi": "keskeytetty", "sv": "avbrutet"},
}
"""R4 care-plan-activity-status; of what is unknown nothing is said."""

DEGREE_WORDS: Words = {
    "full": {"en": "full incapacity", "fi": "kokoaikainen", "sv": "på heltid"},
    "partial": {"en": "partial incapacity", "fi": "osa-aikainen", "sv": "på deltid"},
}

PRACTICE_WORDS: Words = {
    "hospital-writes-all": {
        "en": "The hospital decides on the whole sick leave.",
        "fi": "Sairaala päättää koko sairauspoissaolosta.",
        "sv": "Sjukhuset beslutar om hela sjukfrånvaron.",
    },
    "hospital-short-oh-continues": {
        "en": "The hospital has written a short sick leave; occupational health decides what follows.",
        "fi": "Sairaala on kirjoittanut lyhyen poissaolotodistuksen; jatkosta päättää työterveyshuolto.",
        "sv": "Sjukhuset har skrivit intyg för en kort tid; företagshälsovården beslutar om fortsättningen.",
    },
    "oh-writes-all": {
        "en": "Occupational health decides on the whole sick leave.",
        "fi": "Työterveyshuolto päättää koko sairauspoissaolosta.",
        "sv": "Företagshälsovården beslutar om hela sjukfrånvaron.",
    },
    "review-at-date": {
        "en": "Decided on the agreed day.",
        "fi": "Jatkosta päätetään sovittuna päivänä.",
        "sv": "Fortsättningen avgörs på avtalad dag.",
    },
}

BASIS_WORDS: Words = {
    "luovutuslupa": {"en": "Disclosure permit", "fi": "Luovutuslupa", "sv": "Utlämningstillstånd"},
    "explicit-consent": {
        "en": "Explicit consent",
        "fi": "Nimenomainen suostumus",
        "sv": "Uttryckligt samtycke",
    },
    "referral-consent": {
        "en": "Consent given for a referral",
        "fi": "Lähetteeseen liittyvä suostumus",
        "sv": "Samtycke i samband med remiss",
    },
    "statutory": {"en": "Statute", "fi": "Laki", "sv": "Lag"},
    "purchased-service": {"en": "Purchased service", "fi": "Ostopalvelu", "sv": "Köptjänst"},
    "patient-request": {"en": "Patient's request", "fi": "Potilaan pyyntö", "sv": "Patientens begäran"},
}

REQUEST_WORDS: Words = {
    "contact-patient": {
        "en": "contact the patient",
        "fi": "yhteydenottoa potilaaseen",
        "sv": "kontakta patienten",
    },
    "assess-work-ability": {
        "en": "assess the work ability",
        "fi": "työkyvyn arviota",
        "sv": "bedöma arbetsförmågan",
    },
    "negotiate": {
        "en": "arrange an occupational health negotiation",
        "fi": "työterveysneuvottelun järjestämistä",
        "sv": "ordna en företagshälsovårdsförhandling",
    },
    "plan-return": {
        "en": "plan the return to work",
        "fi": "työhön paluun suunnittelua",
        "sv": "planera återgången till arbetet",
    },
    "continue-sick-leave": {
        "en": "decide on continuing the sick leave",
        "fi": "päätöstä sairauspoissaolon jatkosta",
        "sv": "besluta om fortsatt sjukfrånvaro",
    },
}
"""As they follow the words `asked` of their language."""


# The narrative --------------------------------------------------------------------------------------------


def of_notification(resources: Sequence[Element], told: Told) -> dict[str, str]:
    """Return the Narrative of a copy's Communication, `resources` being the copy's own.

    R4 Narrative, status generated; XHTML without links, images or styles.
    """
    title = "cancel" if told.meaning is Meaning.CANCEL else told.level.value
    return _narrative(title, _leads(told), _rows(resources, told), told.language)


def of_plan(
    resources: Sequence[Element],
    language: Language,
    *,
    sender: str | None,
    basis: str | None,
    meaning: Meaning = Meaning.DONE,
) -> dict[str, str]:
    """Return the Narrative of a copy's CarePlan, `resources` being the copy's own; see `of_notification`.

    Our own codes are said by their designations, others by the words or the code that stand there.
    """
    rows = _plan_rows(resources, language, sender=sender, basis=basis)
    return _narrative("plan", _changed(meaning, language), rows, language)


def of_assessment(resources: Sequence[Element], panel: Element, told: Told) -> dict[str, str]:
    """Return the Narrative of a copy's assessment, `resources` being the copy's own; see `of_notification`.

    `panel`: the assessment itself among them.
    """
    language = told.language
    rows = _assessment_rows(resources, panel, told)
    return _narrative("assessment", _changed(told.meaning, language), rows, language)


def _changed(meaning: Meaning, language: Language) -> Iterator[str]:
    if meaning is Meaning.CANCEL:
        yield WORDS["no-longer"][language]
    elif meaning is Meaning.UPDATE:
        yield WORDS["newer"][language]


def _narrative(
    title: str, leads: Iterable[str], rows: Iterable[tuple[str, str]], language: Language
) -> dict[str, str]:
    paragraphs = [f"<p><b>{html.escape(TITLES[title][language])}</b></p>"]
    paragraphs += [f"<p>{html.escape(lead)}</p>" for lead in leads]
    body = "".join(
        f"<tr><th>{html.escape(WORDS[label][language])}</th><td>{html.escape(value)}</td></tr>"
        for label, value in rows
    )
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{language}" xml:lang="{language}">'
        f"{''.join(paragraphs)}<table><tbody>{body}</tbody></table></div>",
    }


def as_text(div: str) -> str:
    """Return a narrative as lines of text: one for each paragraph and row, a row as `label: value`."""
    lines = _Lines()
    lines.feed(div)
    lines.close()
    return "".join(f"{line}\n" for line in lines.lines if line)


class _Lines(HTMLParser):
    """Reads the lines out of XHTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines = [""]

    def handle_data(self, data: str) -> None:
        """Add text to the line."""
        self.lines[-1] += data

    def handle_endtag(self, tag: str) -> None:
        """End a label or a line."""
        if tag == "th":
            self.lines[-1] += ": "
        elif tag in ("p", "tr", "li", "div"):
            self.lines.append("")


def _leads(told: Told) -> Iterator[str]:
    if told.meaning is Meaning.CANCEL:
        yield WORDS["cancelled"][told.language]
    elif told.is_correction:
        yield WORDS["corrected"][told.language]


def _rows(resources: Sequence[Element], told: Told) -> Iterator[tuple[str, str]]:
    """Yield label and value of each row, in the order they are read."""
    is_cancel = told.meaning is Meaning.CANCEL
    yield from _who(resources, told)
    if not is_cancel:
        yield from _happened(resources, told)
        yield from _goes_on(resources, told)
    if told.basis:
        yield "basis", _said(BASIS_WORDS, told.basis, told.language)
    if not is_cancel:
        yield "left-out", "; ".join(WORDS[each][told.language] for each in _left_out(told))


def _who(resources: Sequence[Element], told: Told) -> Iterator[tuple[str, str]]:
    for patient in _of(resources, "Patient"):
        yield "who", _person(patient, told.language)
        if told.meaning is not Meaning.CANCEL:
            numbers = [
                text(each, "value")
                for each in children(patient, "telecom")
                if text(each, "system") == "phone"
            ]
            if found := ", ".join(each for each in numbers if each):
                yield "reach", found
    if told.sender:
        units = dict.fromkeys(
            text(child(each, "location"), "display") for each in _of(resources, "Procedure")
        )
        yield "from", ", ".join([told.sender, *(each for each in units if each)])


def _happened(resources: Sequence[Element], told: Told) -> Iterator[tuple[str, str]]:
    language, is_planned = told.language, told.meaning is Meaning.PLANNED
    what = "to-come" if is_planned else "what"
    if told.level is Level.MINIMAL:
        yield what, WORDS["planned-episode" if is_planned else "episode"][language]
    for procedure in _of(resources, "Procedure"):
        yield what, _procedure(procedure, language)
    for condition in _of(resources, "Condition"):
        yield "diagnosis", _concept(child(condition, "code"))
    for leave in _of(resources, "Observation"):
        yield "leave", _leave(leave, language)


def _goes_on(resources: Sequence[Element], told: Told) -> Iterator[tuple[str, str]]:
    language = told.language
    asked = [
        _said(REQUEST_WORDS, code, language)
        for request in _of(resources, "ServiceRequest")
        for _, code in codes(child(request, "code"))
    ]
    if asked:
        yield "asked", "; ".join(asked)
    for leave in _of(resources, "Observation"):
        yield "continues", _continues(leave, language)
    for communication in _of(resources, "Communication"):
        for payload in children(communication, "payload"):
            yield "note", text(payload, "contentString") or ""
        for extension in children(communication, "extension"):
            contact = child(extension, "valueContactPoint")
            if number := text(contact, "value"):
                yield (
                    "contact",
                    number if text(contact, "system") != "phone" else f"{WORDS['phone'][language]} {number}",
                )


def _plan_rows(
    resources: Sequence[Element], language: Language, *, sender: str | None, basis: str | None
) -> Iterator[tuple[str, str]]:
    for patient in _of(resources, "Patient"):
        yield "who", _person(patient, language)
    if sender:
        yield "from", sender
    plans = list(_of(resources, "CarePlan"))
    for plan in plans:
        yield "plan", _plan(plan, language)
    for team in _of(resources, "CareTeam"):
        for participant in children(team, "participant"):
            if name := _coordinator(participant):
                yield "coordinator", name
    if goals := "; ".join(
        _words(child(goal, "description"), language).rstrip(".") for goal in _of(resources, "Goal")
    ):
        yield "goals", goals
    agreed = [_activity(each, language) for plan in plans for each in children(plan, "activity")]
    if said := "; ".join(each for each in agreed if each):
        yield "agreed", said
    for plan in plans:
        for extension in children(plan, "extension"):
            if day := text(extension, "valueDate"):
                yield "next-review", _day(day)
    if basis:
        yield "basis", _said(BASIS_WORDS, basis, language)
    yield "left-out", WORDS["rest-of-plan"][language]


ITEM_WORDS: Words = {
    "74165-2": {"en": "employment status", "fi": "työmarkkina-asema", "sv": "ställning på arbetsmarknaden"},
    "11341-5": {"en": "occupation", "fi": "ammatti", "sv": "yrke"},
    "21843-8": {"en": "usual occupation", "fi": "tavanomainen ammatti", "sv": "vanligt yrke"},
}
"""Results whose code is of another's system, in words of ours."""


def _assessment_rows(resources: Sequence[Element], panel: Element, told: Told) -> Iterator[tuple[str, str]]:
    language = told.language
    for patient in _of(resources, "Patient"):
        yield "who", _person(patient, language)
    if told.sender:
        yield "from", told.sender
    period = child(panel, "effectivePeriod")
    when = text(panel, "effectiveDateTime") or text(period, "end") or text(period, "start")
    kinds = (
        _words({"coding": [coding]}, language)
        for category in children(panel, "category")
        for coding in children(category, "coding")
        if (text(coding, "system") or "").startswith(BASE)
    )
    yield "assessed", ", ".join(each for each in (next(kinds, ""), _day(when)) if each)
    for found in _of(resources, "Observation"):
        if found is not panel:
            yield "result", _result(found, language)
    proposed = [_words(child(each, "code"), language) for each in _of(resources, "ServiceRequest")]
    if said := "; ".join(each for each in proposed if each):
        yield "proposed", said
    if told.basis:
        yield "basis", _said(BASIS_WORDS, told.basis, language)
    if told.meaning is not Meaning.CANCEL:
        yield "left-out", WORDS["rest-of-assessment"][language]


def _result(found: Element, language: Language) -> str:
    """Say one result: what it is of, and its value."""
    code = child(found, "code")
    named = next((ITEM_WORDS[each][language] for _, each in codes(code) if each in ITEM_WORDS), None)
    bands = [_words(each, language) for each in children(found, "interpretation")]
    said = ", ".join(each for each in (_value(found, language), *bands) if each)
    return f"{named or _words(code, language)}: {said}"


def _value(found: Element, language: Language) -> str:
    quantity = child(found, "valueQuantity")
    number, flag = found.get("valueInteger", quantity.get("value")), found.get("valueBoolean")
    if isinstance(flag, bool):
        return WORDS["yes" if flag else "no"][language]
    if number is not None:
        return f"{number} {text(quantity, 'unit') or ''}".strip()
    said = (
        _words(child(found, "valueCodeableConcept"), language),
        text(found, "valueString"),
        _day(text(found, "valueDateTime")),
        WORDS["withheld"][language] if "dataAbsentReason" in found else "",
    )
    return next((each for each in said if each), "")


def _plan(plan: Element, language: Language) -> str:
    """Kind or title of a plan, and until when it holds."""
    kinds = (_words(each, language) for each in children(plan, "category"))
    said = text(plan, "title") or next((each for each in kinds if each), "")
    period = child(plan, "period")
    days = f"{_day(text(period, 'start'))}–{_day(text(period, 'end'))}"
    return ", ".join(each for each in (said, days if days != "–" else "") if each)


def _coordinator(participant: Element) -> str | None:
    """Name of a participant who coordinates, and of the organisation behind; None for any other."""
    roles = [code for role in children(participant, "role") for _, code in codes(role)]
    if "coordinator" not in roles:
        return None
    names = (text(child(participant, name), "display") for name in ("member", "onBehalfOf"))
    return ", ".join(each for each in names if each) or None


def _activity(activity: Element, language: Language) -> str:
    detail = child(activity, "detail")
    said = _words(child(detail, "code"), language) or text(detail, "description") or ""
    status = ACTIVITY_WORDS.get(text(detail, "status") or "", {}).get(language)
    return f"{said} ({status})" if said and status else said


def _words(concept: Element, language: Language) -> str:
    """Say a concept: by its text, the designation of a code of ours, or the code itself."""
    if words := text(concept, "text"):
        return words
    said = (_designations(system).get(code, {}).get(language, code) for system, code in codes(concept))
    return next(said, "")


@cache
def _designations(system: str) -> dict[str, dict[str, str]]:
    """Return the words of a code system of ours, by code and language; empty for any other."""
    name = system.removeprefix(f"{BASE}/CodeSystem/")
    path = folder("profiles") / "codesystems" / f"{name}.json"
    if "/" in name or not path.is_file():
        return {}
    concepts = json.loads(path.read_text("utf-8"))["concept"]
    return {
        each["code"]: {"en": each["display"]}
        | {one["language"]: one["value"] for one in each.get("designation", ()) if "language" in one}
        for each in concepts
    }


def _left_out(told: Told) -> Iterator[str]:
    if told.level is Level.MINIMAL:
        yield "minimal"
    if told.is_protected:
        yield "protected"
    yield "attachments"


def _of(resources: Iterable[Element], kind: str) -> Iterator[Element]:
    return (each for each in resources if each.get("resourceType") == kind)


def _said(words: Words, code: str, language: Language) -> str:
    """Return a code in words; a code without any stands for itself."""
    return words.get(code, {}).get(language, code)


def _person(patient: Element, language: Language) -> str:
    names = [_name(each) for each in children(patient, "name")]
    said = [next((name for name in names if name), "")]
    if born := text(patient, "birthDate"):
        said.append(f"{WORDS['born'][language]} {_day(born)}")
    said += [
        f"{WORDS['code'][language]} {text(each, 'value')}"
        for each in children(patient, "identifier")
        if text(each, "system") == hetu.SYSTEM
    ]
    return ", ".join(each for each in said if each)


def _name(name: Element) -> str:
    given = name.get("given")
    first = " ".join(each for each in given if isinstance(each, str)) if isinstance(given, list) else ""
    return text(name, "text") or f"{first} {text(name, 'family') or ''}".strip()


def _procedure(procedure: Element, language: Language) -> str:
    period = child(procedure, "performedPeriod")
    when = text(procedure, "performedDateTime") or text(period, "end") or text(period, "start")
    status = _said(STATUS_WORDS, text(procedure, "status") or "unknown", language)
    return f"{_concept(child(procedure, 'code'))}, {status}{f' {_day(when)}' if when else ''}"


def _leave(leave: Element, language: Language) -> str:
    period = child(leave, "effectivePeriod")
    said = f"{_day(text(period, 'start'))}–{_day(text(period, 'end'))} ({WORDS['included'][language]})"
    degree = [_said(DEGREE_WORDS, code, language) for code in _component(leave, "incapacity-degree")]
    return ", ".join([said, *degree])


def _continues(leave: Element, language: Language) -> str:
    """Say who decides on the leave from its end on, and when it is looked at again."""
    said = [_said(PRACTICE_WORDS, code, language) for code in _component(leave, "sick-leave-practice")]
    said += [WORDS["review"][language].format(day=_day(day)) for day in _component(leave, "review-date")]
    return " ".join(said) or WORDS["not-stated"][language]


def _component(leave: Element, item: str) -> Iterator[str]:
    """Yield what a component of the leave says: its code, or its day."""
    for each in children(leave, "component"):
        if any(code == item for _, code in codes(child(each, "code"))):
            yield from (code for _, code in codes(child(each, "valueCodeableConcept")))
            if day := text(each, "valueDateTime"):
                yield day


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
