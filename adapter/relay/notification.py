"""A message as facts: what the deciding functions need to know of its Bundle, whichever artefact it carries.

Reading never fails: what a message lacks is None or empty, and the validator says what is wrong with its
shape. What only the content can tell (an identity code that contradicts the birth date, a procedure said to
be done that cannot be) is found by `faults`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from adapter.fhir import hetu
from adapter.fhir.canonical import code_system, profile
from adapter.outcome import Issue
from adapter.relay import event
from adapter.relay.artefact import EVENT_OF, FOCUS_OF, Artefact, artefact_of, focus_of
from adapter.relay.care_team import TeamMember, members_of
from adapter.relay.element import child, children, codes, day_of, extension, moment_of, numbered, text
from adapter.relay.message import Meaning, Mode
from adapter.relay.message_bundle import Message
from adapter.relay.referral import Referral, referrals_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from datetime import date
    from zoneinfo import ZoneInfo

    from adapter.relay.element import Code, Element

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
TEST_TAG: Code = (ACT_REASON, "HTEST")
"""`meta.tag` of a message that is not about a real person."""

TURVAKIELTO: Code = (
    "https://hl7.fi/fhir/finnish-base-profiles/CodeSystem/fi-base-security-label-cs",
    "TURVAKIELTO",
)
"""The label of a protected address. Finnish base profiles, fi-base-patient."""

SICK_LEAVE: Code = ("http://snomed.info/sct", "224459001")

EMPLOYER = profile("employer")
REPLACED_VERSION = profile("replaced-version")
CONTENT_LEVEL = profile("content-level")
DISCLOSURE_BASIS = profile("disclosure-basis")
LEVEL = code_system("content-level")
BASIS = code_system("disclosure-basis")

_TAGGED = frozenset({"Bundle", "MessageHeader", "Communication"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientFacts:
    """Who it is about."""

    at: str
    """FHIRPath of the Patient."""
    identifiers: tuple[Code, ...]
    """System and value, the official one first."""
    identity_code: str | None
    """The Finnish personal identity code, where there is one."""
    replaced: tuple[Code, ...]
    """Identifiers this person had before: a merge or a change of ids."""
    is_replaced: bool
    """True if another record stands in the place of this one, which is not to be used any more."""
    birth_date: str | None
    sex: str | None
    family: str | None
    is_deceased: bool

    @property
    def born(self) -> date | None:
        """Day of birth: as the message gives it, else as the identity code says."""
        code = hetu.read(self.identity_code) if self.identity_code else None
        return day_of(self.birth_date) or (code.birth_date if code else None)

    @property
    def identifier(self) -> Code | None:
        """The one the person is known by here: the identity code, else the first."""
        return self.identifiers[0] if self.identifiers else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureFacts:
    """One procedure of the message."""

    at: str
    codes: tuple[Code, ...]
    status: str | None
    performed: str | None
    """When it ended, as the sender wrote it (FHIR dateTime); None if the message does not say."""

    @property
    def is_completed(self) -> bool:
        """True if the message says that it was done."""
        return self.status == "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """One organisation that the sender wants told."""

    key: str | None
    """None if the message does not say who it is by an identifier."""
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """The facts of one message Bundle."""

    at: str
    """FHIRPath of what the message is about: its Communication, assessment or plan."""
    application: str | None
    """Name of the sending system: its message ids are its own."""
    bundle_id: str | None
    header_id: str | None
    message_identifier: str | None
    """`system|value` of the Bundle: this message, where the notification lives over several."""
    identifier: str | None
    """`system|value` of what it is about: the same in corrections, cancellation and resends."""
    event_system: str | None
    event: str | None
    reason: str | None
    """Code of our event-meaning system, where the message carries one."""
    sender: str | None
    """Key of the organisation the message says it is from; the caller's credentials decide, not this."""
    requested: tuple[Requested, ...]
    employer: str | None
    patients: tuple[PatientFacts, ...]
    procedures: tuple[ProcedureFacts, ...]
    diagnoses: tuple[Code, ...]
    specialties: tuple[Code, ...]
    sick_leave: tuple[date | None, date | None] | None
    """First and last day; None if the message carries no sick leave."""
    labels: frozenset[Code]
    """Every security label of the message, wherever it stands."""
    is_test: bool
    """True if the message is marked as one about no real person."""
    basis: str | None
    """The ground of disclosure as the sender sees it: told to the operator, never decided by."""
    purpose: str | None
    """Purpose of use (v3-ActReason), where the message names one."""
    sent: str | None
    artefact: Artefact = Artefact.NOTIFICATION
    team: tuple[TeamMember, ...] = ()
    """Who stands in the care team, where the artefact has one."""
    referrals: tuple[Referral, ...] = ()
    """The referrals that a notification is based on."""
    assessed: str | None = None
    """When an assessment was made, as the sender wrote it (FHIR dateTime)."""
    version: str | None = None
    """Version of a plan."""
    base: str | None = None
    """Version of the plan that its author had: the one this version replaces."""

    @property
    def rule_event(self) -> str | None:
        """What rules and agreements know it by: an assessment stays one when it is corrected."""
        return EVENT_OF.get(self.artefact, self.event)

    @property
    def patient(self) -> PatientFacts | None:
        """The person, where the message is about exactly one."""
        return self.patients[0] if len(self.patients) == 1 else None

    @property
    def has_turvakielto(self) -> bool:
        """True if the person's address is protected."""
        return TURVAKIELTO in self.labels

    @property
    def happened_at(self) -> str | None:
        """When the procedure ended, the latest of those done, or the assessment was made: in their words."""
        if self.artefact is not Artefact.NOTIFICATION:
            return self.assessed
        ended = [each.performed for each in self.procedures if each.is_completed and each.performed]
        return max(ended, default=None)

    @property
    def day(self) -> date | None:
        """The day eligibility looks at: of procedure or assessment, else of sick leave, else of sending."""
        if self.artefact is not Artefact.NOTIFICATION:
            return day_of(self.assessed) or day_of(self.sent)
        performed = max((each.performed for each in self.procedures if each.performed), default=None)
        start = self.sick_leave[0] if self.sick_leave else None
        return day_of(performed) or start or day_of(self.sent)


def read(bundle: Element) -> Notification:
    """Read the facts of a message Bundle."""
    message = Message(bundle)
    header, artefact = message.first("MessageHeader"), artefact_of(message)
    at, focus = focus_of(message, artefact)
    coding = child(header, "eventCoding")
    reasons = [code for system, code in codes(child(header, "reason")) if system == event.EVENT_MEANING]
    basis = child(extension(focus, DISCLOSURE_BASIS), "valueCodeableConcept")
    bases = [code for system, code in codes(basis) if system == BASIS]
    employer = child(extension(focus, EMPLOYER), "valueReference")
    return Notification(
        at=at,
        application=text(child(header, "source"), "name"),
        bundle_id=text(bundle, "id"),
        header_id=text(header, "id"),
        message_identifier=_written(child(bundle, "identifier")),
        identifier=_identifier(focus, artefact),
        event_system=text(coding, "system"),
        event=text(coding, "code"),
        reason=reasons[0] if reasons else None,
        sender=message.organisation(child(header, "sender") or child(focus, "sender")),
        requested=tuple(_requested(message)),
        employer=message.organisation(employer),
        patients=tuple(_patient(at, each) for at, each in message.of("Patient")),
        procedures=tuple(_procedure(at, each) for at, each in message.of("Procedure")),
        diagnoses=tuple(_diagnoses(message)),
        specialties=tuple(_specialties(message)),
        sick_leave=_sick_leave(message),
        labels=frozenset(_meta(message, "security")),
        is_test=TEST_TAG in _meta(message, "tag", _TAGGED),
        basis=bases[0] if bases else None,
        purpose=_purpose(message),
        sent=text(focus, "sent") or text(bundle, "timestamp"),
        artefact=artefact,
        team=tuple(members_of(message, at, focus)),
        referrals=tuple(referrals_of(message)),
        assessed=_assessed(focus) if artefact is Artefact.ASSESSMENT else None,
        version=text(child(focus, "meta"), "versionId") if artefact is Artefact.PLAN else None,
        base=_base(focus),
    )


def faults(
    notification: Notification,
    meaning: Meaning,
    mode: Mode,
    *,
    now: datetime,
    zone: ZoneInfo,
    oldest: timedelta | None = None,
) -> list[Issue]:
    """Return what the content contradicts: identity, test and production, done and not done.

    `oldest`: how long ago a message may have been sent; None for any time.
    """
    kind = FOCUS_OF[notification.artefact]
    identifier = Issue("PN112", at=f"Bundle.entry.resource.ofType({kind}).identifier")
    is_notification = notification.artefact is Artefact.NOTIFICATION
    return [
        *identity_faults(notification, mode),
        *(_done_faults(notification, meaning, now, zone) if is_notification else ()),
        *(_version_faults(notification, meaning) if notification.artefact is Artefact.PLAN else ()),
        *([] if notification.identifier else [identifier]),
        *_age_faults(notification, now, zone, oldest),
    ]


def identity_faults(notification: Notification, mode: Mode) -> list[Issue]:
    """Return what contradicts itself about the person, and about test and production."""
    return [*_identity_faults(notification, mode), *_mode_faults(notification, mode)]


# Identity -------------------------------------------------------------------------------------------------


def _identity_faults(notification: Notification, mode: Mode) -> Iterator[Issue]:
    """What the identity code says against the rest; its shape and check character are the validator's."""
    for patient in notification.patients:
        if not patient.identifiers:
            yield Issue("PN101", at=f"{patient.at}.identifier")
        code = hetu.read(patient.identity_code) if patient.identity_code else None
        if code is not None:
            yield from _code_faults(patient, code, mode)


def _code_faults(patient: PatientFacts, code: hetu.Hetu, mode: Mode) -> Iterator[Issue]:
    at = f"{patient.at}.identifier"
    if patient.birth_date and not code.birth_date.isoformat().startswith(patient.birth_date):
        yield Issue("PN106", at=f"{patient.at}.birthDate")
    if patient.sex in ("male", "female") and patient.sex != code.sex:
        yield Issue("PN107", at=f"{patient.at}.gender")
    if code.is_test and mode is Mode.PRODUCTION:
        yield Issue("PN108", at=at)
    if not code.is_test and mode is Mode.TEST:
        yield Issue("PN109", at=at)


def _mode_faults(notification: Notification, mode: Mode) -> Iterator[Issue]:
    """The mark of the message must be the deployment's own."""
    if notification.is_test and mode is Mode.PRODUCTION:
        yield Issue("PN110", at="Bundle.meta.tag")
    if not notification.is_test and mode is Mode.TEST:
        yield Issue("PN111", at="Bundle.meta.tag")


def _age_faults(
    notification: Notification, now: datetime, zone: ZoneInfo, oldest: timedelta | None
) -> Iterator[Issue]:
    """A message that was sent long ago may be one that somebody has kept to send it again."""
    sent = moment_of(notification.sent, zone)
    if oldest is not None and sent is not None and now - sent > oldest:
        yield Issue("PN113", at="Bundle.timestamp", params={"days": oldest.days})


def _done_faults(
    notification: Notification, meaning: Meaning, now: datetime, zone: ZoneInfo
) -> Iterator[Issue]:
    """A planned, cancelled or billed procedure never becomes a done one."""
    for procedure in notification.procedures:
        if not procedure.is_completed:
            continue
        if meaning is not Meaning.DONE:
            yield Issue("PN120", at=f"{procedure.at}.status", params={"meaning": meaning.value})
        if procedure.performed is None:
            yield Issue("PN122", at=f"{procedure.at}.performed")
        elif _is_future(procedure.performed, now, zone):
            yield Issue("PN121", at=f"{procedure.at}.performed")


def _is_future(value: str, now: datetime, zone: ZoneInfo) -> bool:
    """True if the whole of the moment, day, month or year that `value` names lies after `now`."""
    if "T" in value:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return False
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)) > now
    return value > now.astimezone(zone).date().isoformat()[: len(value)]


def _version_faults(notification: Notification, meaning: Meaning) -> Iterator[Issue]:
    """A new version of a plan says which one it replaces: what its author had not seen must not be lost."""
    if meaning is Meaning.UPDATE and notification.base is None:
        yield Issue("PN160", at=f"{notification.at}.replaces")


# Reading --------------------------------------------------------------------------------------------------


def _requested(message: Message) -> Iterator[Requested]:
    """Destinations of the header and recipients of the Communication, each organisation once."""
    seen: set[str] = set()
    for at, reference in _receivers(message):
        key = message.organisation(reference)
        if key is None or key not in seen:
            yield Requested(key=key, at=at)
        if key is not None:
            seen.add(key)


def _receivers(message: Message) -> Iterator[tuple[str, Element]]:
    for at, header in message.of("MessageHeader"):
        for index, destination in numbered(header, "destination"):
            if "receiver" in destination:
                yield f"{at}.destination[{index}].receiver", child(destination, "receiver")
    for at, communication in message.of("Communication"):
        for index, reference in numbered(communication, "recipient"):
            yield f"{at}.recipient[{index}]", reference


def _patient(at: str, patient: Element) -> PatientFacts:
    identifiers = [
        ((text(each, "system") or "", value), text(each, "use"))
        for each in children(patient, "identifier")
        if (value := text(each, "value"))
    ]
    # The identity code names the person; an official identifier of another kind comes next.
    identifiers.sort(key=lambda each: (each[0][0] != hetu.SYSTEM, each[1] != "official"))
    identity_codes = [value for (system, value), _ in identifiers if system == hetu.SYSTEM]
    names = [text(each, "family") for each in children(patient, "name")]
    return PatientFacts(
        at=at,
        identifiers=tuple(each for each, _ in identifiers),
        identity_code=identity_codes[0] if identity_codes else None,
        replaced=tuple(_replaced(patient)),
        is_replaced=any(link.get("type") == "replaced-by" for link in children(patient, "link")),
        birth_date=text(patient, "birthDate"),
        sex=text(patient, "gender"),
        family=next((name for name in names if name), None),
        is_deceased=patient.get("deceasedBoolean") is True or "deceasedDateTime" in patient,
    )


def _replaced(patient: Element) -> Iterator[Code]:
    """R4 Patient.link of type replaces, by identifier."""
    for link in children(patient, "link"):
        identifier = child(child(link, "other"), "identifier")
        value = text(identifier, "value")
        if link.get("type") == "replaces" and value:
            yield (text(identifier, "system") or "", value)


def _procedure(at: str, procedure: Element) -> ProcedureFacts:
    period = child(procedure, "performedPeriod")
    return ProcedureFacts(
        at=at,
        codes=tuple(codes(child(procedure, "code"))),
        status=text(procedure, "status"),
        performed=text(procedure, "performedDateTime") or text(period, "end") or text(period, "start"),
    )


def _diagnoses(message: Message) -> Iterator[Code]:
    for _, condition in message.of("Condition"):
        yield from codes(child(condition, "code"))
    for kind in ("Procedure", "Communication", "ServiceRequest", "Encounter"):
        for _, resource in message.of(kind):
            for concept in children(resource, "reasonCode"):
                yield from codes(concept)


def _specialties(message: Message) -> Iterator[Code]:
    for _, role in message.of("PractitionerRole"):
        for concept in children(role, "specialty"):
            yield from codes(concept)
    for _, encounter in message.of("Encounter"):
        yield from codes(child(encounter, "serviceType"))


def _sick_leave(message: Message) -> tuple[date | None, date | None] | None:
    for _, observation in message.of("Observation"):
        if SICK_LEAVE in codes(child(observation, "code")):
            period = child(observation, "effectivePeriod")
            return day_of(text(period, "start")), day_of(text(period, "end"))
    return None


def _assessed(panel: Element) -> str | None:
    """R4 Observation.effective[x]; of a period its end, else its start."""
    period = child(panel, "effectivePeriod")
    found = (text(panel, "effectiveDateTime"), text(panel, "effectiveInstant"))
    return next((each for each in found if each), None) or text(period, "end") or text(period, "start")


def _base(plan: Element) -> str | None:
    """The version a plan replaces: of itself, not another plan that it takes the place of."""
    own = set(_identifiers(plan))
    for each in children(plan, "replaces"):
        named = _written(child(each, "identifier"))
        version = text(extension(each, REPLACED_VERSION), "valueString")
        if version and (named is None or named in own):
            return version
    return None


def _purpose(message: Message) -> str | None:
    """R4 Provenance.reason: why the activity is occurring."""
    named = (
        code
        for _, provenance in message.of("Provenance")
        for concept in children(provenance, "reason")
        for system, code in codes(concept)
        if system == ACT_REASON
    )
    return next(named, None)


def _meta(message: Message, name: str, kinds: Container[str] | None = None) -> Iterator[Code]:
    for resource in (message.bundle, *(each for _, each in message.entries)):
        if kinds is None or text(resource, "resourceType") in kinds:
            yield from (
                (text(coding, "system") or "", text(coding, "code") or "")
                for coding in children(child(resource, "meta"), name)
            )


def _identifier(focus: Element, artefact: Artefact) -> str | None:
    """Its first one; of a plan, which several systems number, the first that is the same in all of them."""
    found = list(_identifiers(focus))
    shared = [each for each in found if each.startswith("urn:ietf:rfc:3986|")]
    return next(iter(shared if shared and artefact is Artefact.PLAN else found), None)


def _identifiers(resource: Element) -> Iterator[str]:
    return (written for each in children(resource, "identifier") if (written := _written(each)))


def _written(identifier: Element) -> str | None:
    system, value = text(identifier, "system"), text(identifier, "value")
    return f"{system}|{value}" if system and value else value
