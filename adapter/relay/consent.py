"""Consent: may this recipient have this notification, at which level, and on what ground.

Deny unless something permits, and a denial (kielto) wins over everything that permits. `decide` is asked when
a message is accepted and again before each send; it looks at nothing but its arguments.

Two tables rule. *Rules* (a CSV that the deployer's lawyer signs) say which event may go to which register on
which basis, up to which level and for which purpose. *Consents* are the patient's own, FHIR Consent as the
store keeps them. A basis that is no Consent (statute, purchased service) must be named by the agreement of
the two organisations as well, so that a line in the table alone opens nothing.

A Consent may restrict itself by elements that are not decided here (data classes, document types, security
labels, time of the data). Such a permit is taken not to cover, such a denial is taken to cover.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from adapter.errors import ConfigurationError
from adapter.outcome import Issue
from adapter.relay import event
from adapter.relay.directory import RecipientClass, Register, key_of
from adapter.relay.element import child, children, codes, extension, text
from adapter.relay.message import Level
from adapter.relay.notification import ACT_REASON, BASIS, CONTENT_LEVEL, DISCLOSURE_BASIS, LEVEL
from adapter.relay.routing import PROVES_CARE, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from adapter.relay.element import Element


class Basis(StrEnum):
    """On what ground content may be disclosed."""

    LUOVUTUSLUPA = "luovutuslupa"
    EXPLICIT_CONSENT = "explicit-consent"
    REFERRAL_CONSENT = "referral-consent"
    STATUTORY = "statutory"
    PURCHASED_SERVICE = "purchased-service"
    PATIENT_REQUEST = "patient-request"


LEVELS: tuple[Level, ...] = (Level.MINIMAL, Level.CLINICAL)
"""The least first."""

RENEWED_SINCE = date(2024, 1, 1)
"""A disclosure permit of an earlier day must have been renewed to hold outside Kanta."""


# The question and the answer ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for one recipient."""

    event: str
    """Code of our message-event system."""
    purpose: str | None
    """Purpose of use, v3-ActReason."""
    sender: str
    """Key of the disclosing organisation."""
    recipient: str
    recipient_class: RecipientClass
    register: Register
    """Whose register the recipient keeps."""
    evidence: Evidence | None
    """What proves that the patient is in the recipient's care."""
    cap: Level
    """The most this partner may ever get."""
    agreed_levels: frozenset[Level]
    agreed_bases: frozenset[str]
    """Bases without a Consent that the agreement names."""
    at: datetime
    zone: ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The recipient may have it."""

    level: Level
    basis: Basis
    consent: str | None
    """`Consent/<id>#<version>`, or None where a rule and the agreement permit."""

    @property
    def reference(self) -> str:
        """Basis and consent in one text, as the delivery and the audit keep it."""
        return f"{self.basis.value}:{self.consent}" if self.consent else self.basis.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """The recipient may not have it."""

    reasons: tuple[str, ...]
    """Codes of the catalogue, the weightiest first."""

    @property
    def reason(self) -> str:
        """The weightiest reason."""
        return self.reasons[0]


def decide(request: Request, consents: Iterable[ConsentRecord], rules: Rules) -> Permit | Deny:
    """Decide for one recipient.

    `consents`: the newest version of each of the patient's. Where several permit, the one with the higher
    level decides; between equals the later one. Rules D1-D8, D20 and D24 of the project's rule list; the
    wording of each stands with its code in the catalogue.
    """
    at_the_door = tuple(_standing_reasons(request, rules))
    if at_the_door:
        return Deny(reasons=at_the_door)
    records = list(consents)
    if any(_verdict(record, request) is Verdict.DENY for record in records):
        return Deny(reasons=("CO102",))
    permits: list[tuple[int, datetime, Permit]] = []
    reasons: set[str] = set()
    for record in records:
        answer = _by_consent(record, request, rules)
        if isinstance(answer, Permit):
            permits.append((LEVELS.index(answer.level), record.given_at, answer))
        elif answer is not None:
            reasons.add(answer)
    for answer in _by_agreement(request, rules):
        if isinstance(answer, Permit):
            permits.append((LEVELS.index(answer.level), datetime.min.replace(tzinfo=UTC), answer))
        else:
            reasons.add(answer)
    if permits:
        return max(permits, key=lambda each: each[:2])[2]
    return Deny(reasons=tuple(sorted(reasons, key=_WEIGHT.index)) or ("CO101",))


_WEIGHT = (
    "CO103",
    "CO104",
    "CO105",
    "CO108",
    "CO110",
    "CO106",
    "CO116",
    "CO113",
    "CO118",
    "CO107",
    "CO120",
    "CO114",
)
"""Which of several near misses the sender is told first: the ones a person can do something about."""


def _standing_reasons(request: Request, rules: Rules) -> Iterator[str]:
    """What no consent can heal."""
    if request.recipient_class is RecipientClass.EMPLOYER or request.register is Register.EMPLOYER:
        yield "CO109"
        return
    if not rules.speaks_of(request.event, request.register):
        yield "CO110"
    elif request.purpose is None:
        yield "CO112"
    elif not rules.has_purpose(request.event, request.register, request.purpose):
        yield "CO113"
    if request.evidence is None or request.evidence.rung not in PROVES_CARE:
        yield "CO111"
    if not request.agreed_levels:
        yield "CO120"


# Consents -------------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    """What one Consent says of a request."""

    PERMIT = "permit"
    DENY = "deny"
    SILENT = "silent"


class Cover(StrEnum):
    """Whether a restriction of a provision includes the request."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """It restricts by something that is not decided here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """One rule within a Consent; nested ones are exceptions to it."""

    type: Verdict
    """PERMIT or DENY."""
    start: datetime | None
    end: datetime | None
    """The last moment that is included."""
    recipients: frozenset[str] | None
    """Keys of the organisations it names; None if it names nobody and speaks of all."""
    purposes: frozenset[str] | None
    level: Level | None
    """The most it lets go; None if it does not say."""
    is_decidable: bool
    """False if it also restricts by something that is not decided here."""
    exceptions: tuple[Provision, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecord:
    """One Consent as `decide` needs it."""

    reference: str
    """`Consent/<id>#<version>`."""
    status: str
    basis: Basis | None
    given_at: datetime
    renewed_at: datetime | None
    """When the patient confirmed it last."""
    senders: frozenset[str] | None
    """Registers it is about; None for all."""
    provision: Provision


def _verdict(record: ConsentRecord, request: Request) -> Verdict:
    """What an active Consent says: the innermost provision that covers, a denial before a permit."""
    if record.status != "active":
        return Verdict.SILENT
    if record.senders is not None and request.sender not in record.senders:
        return Verdict.SILENT
    return _says(record.provision, request)


def _says(provision: Provision, request: Request) -> Verdict:
    if not _covers(provision, request):
        return Verdict.SILENT
    inner = {_says(each, request) for each in provision.exceptions}
    if Verdict.DENY in inner:
        return Verdict.DENY
    return Verdict.PERMIT if Verdict.PERMIT in inner else provision.type


def _covers(provision: Provision, request: Request) -> bool:
    """A permit must cover surely; a denial covers unless it surely does not."""
    answers = set(_cover(provision, request))
    if Cover.NO in answers:
        return False
    return provision.type is Verdict.DENY or Cover.UNKNOWN not in answers


def _cover(provision: Provision, request: Request) -> Iterator[Cover]:
    if provision.start is not None and request.at < provision.start:
        yield Cover.NO
    if provision.end is not None and request.at > provision.end:
        yield Cover.NO
    if provision.recipients is not None and request.recipient not in provision.recipients:
        yield Cover.NO
    if provision.purposes is not None and request.purpose not in provision.purposes:
        yield Cover.NO
    if not provision.is_decidable:
        yield Cover.UNKNOWN


def _by_consent(record: ConsentRecord, request: Request, rules: Rules) -> Permit | str | None:
    """The permit a Consent gives, the code of why it gives none, or None if it is no permit at all."""
    provision = _permit_of(record.provision, request)
    if provision is None:
        return None
    if record.status != "active":
        return "CO103" if record.status == "inactive" else None
    if record.senders is not None and request.sender not in record.senders:
        return "CO116"
    near_miss = _near_miss(provision, request)
    if near_miss is not None:
        return near_miss
    if _verdict(record, request) is not Verdict.PERMIT:
        return "CO118"
    if record.basis is None:
        return "CO114"
    if record.basis is Basis.LUOVUTUSLUPA and not _is_renewed(record, request.zone):
        return "CO108"
    if record.basis is Basis.EXPLICIT_CONSENT and provision.recipients is None:
        # An explicit consent names its recipient.
        return "CO106"
    rule = rules.find(request.event, record.basis, request.register)
    if rule is None or rule.needs is not Needs.CONSENT:
        return "CO110" if rules.knows(request.event, record.basis) else "CO114"
    if request.purpose not in rule.purposes:
        return "CO113"
    level = _level(request, rule.level, _level_of(provision, record.basis))
    return Permit(level=level, basis=record.basis, consent=record.reference) if level else "CO107"


def _level_of(provision: Provision, basis: Basis) -> Level:
    """A disclosure permit covers what its register holds; any other consent must say more than minimal."""
    return provision.level or (Level.CLINICAL if basis is Basis.LUOVUTUSLUPA else Level.MINIMAL)


def _permit_of(provision: Provision, request: Request) -> Provision | None:
    """The permit of a Consent that comes nearest to the request: one that covers it, else the outermost."""
    permits = [each for each in _all(provision) if each.type is Verdict.PERMIT]
    covering = [each for each in permits if _near_miss(each, request) is None]
    return next(iter(covering[::-1] or permits), None)


def _all(provision: Provision) -> Iterator[Provision]:
    yield provision
    for each in provision.exceptions:
        yield from _all(each)


def _near_miss(provision: Provision, request: Request) -> str | None:
    if provision.recipients is not None and request.recipient not in provision.recipients:
        return "CO106"
    if provision.start is not None and request.at < provision.start:
        return "CO105"
    if provision.end is not None and request.at > provision.end:
        return "CO104"
    if provision.purposes is not None and request.purpose not in provision.purposes:
        return "CO113"
    return None if provision.is_decidable else "CO118"


def _is_renewed(record: ConsentRecord, zone: ZoneInfo) -> bool:
    return max(record.given_at, record.renewed_at or record.given_at).astimezone(zone).date() >= RENEWED_SINCE


def _by_agreement(request: Request, rules: Rules) -> Iterator[Permit | str]:
    """Permits that rest on a rule and the agreement of the pair, without a Consent."""
    for name in sorted(request.agreed_bases):
        basis = Basis(name)
        rule = rules.find(request.event, basis, request.register)
        if rule is None or rule.needs is not Needs.AGREEMENT:
            yield "CO110" if rules.knows(request.event, basis) else "CO114"
        elif request.purpose not in rule.purposes:
            yield "CO113"
        else:
            level = _level(request, rule.level)
            yield Permit(level=level, basis=basis, consent=None) if level else "CO107"


def _level(request: Request, *limits: Level) -> Level | None:
    """The lowest of the limits and the partner's cap, if the agreement has a level that low."""
    most = min(LEVELS.index(each) for each in (*limits, request.cap))
    agreed = [level for level in LEVELS[: most + 1] if level in request.agreed_levels]
    return agreed[-1] if agreed else None


# Reading a Consent ----------------------------------------------------------------------------------------

PRIVACY = ("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy")
_NOT_DECIDED = ("securityLabel", "dataPeriod", "data", "modifierExtension")
"""Restrictions of a provision that are not decided here."""
_DISCLOSE = ("disclose", "access")
"""Actions (R4 consent-action) that a relayed copy is."""


def read(resource: Element, version: int, zone: ZoneInfo) -> ConsentRecord:
    """Read one Consent as `decide` needs it.

    Days without a time begin and end in `zone`; the last day is included. What cannot be read never widens:
    a permit then covers nothing, a denial everything. R4 Consent.
    """
    basis = [code for system, code in _basis_codes(resource) if system == BASIS and code in list(Basis)]
    sender_references = list(children(resource, "organization"))
    senders = [key_of(child(each, "identifier")) for each in sender_references]
    is_ours = PRIVACY in codes(child(resource, "scope")) and "modifierExtension" not in resource
    provision = _provision(child(resource, "provision"), zone, is_decidable=is_ours)
    is_narrow = bool(senders) and (provision.type is Verdict.PERMIT or None not in senders)
    return ConsentRecord(
        reference=f"Consent/{text(resource, 'id')}#{version}",
        status=text(resource, "status") or "",
        basis=Basis(basis[0]) if len(set(basis)) == 1 else None,
        given_at=_moment(text(resource, "dateTime"), zone, at_end=False) or datetime.min.replace(tzinfo=UTC),
        renewed_at=_renewed(resource, zone),
        senders=frozenset(each for each in senders if each) if is_narrow else None,
        provision=provision,
    )


def faults(resource: Element) -> list[Issue]:
    """Return what keeps a Consent from being decided by: such a one is refused, not stored."""
    at = f"Consent/{text(resource, 'id') or '?'}"
    found: list[Issue] = []
    if resource.get("resourceType") != "Consent" or not text(resource, "id"):
        found.append(Issue("CO201", at=at))
    if not text(child(child(resource, "patient"), "identifier"), "value"):
        found.append(Issue("CO202", at=f"{at}.patient"))
    if _moment(text(resource, "dateTime"), UTC_ZONE, at_end=False) is None:
        found.append(Issue("CO203", at=f"{at}.dateTime"))
    provision = child(resource, "provision")
    if text(provision, "type") not in ("permit", "deny"):
        found.append(Issue("CO206", at=f"{at}.provision.type"))
    named = [code for system, code in _basis_codes(resource) if system == BASIS]
    if text(provision, "type") == "permit" and (len(set(named)) != 1 or named[0] not in list(Basis)):
        found.append(Issue("CO204", at=at))
    if PRIVACY not in codes(child(resource, "scope")):
        found.append(Issue("CO208", at=f"{at}.scope"))
    found.extend(_provision_faults(provision, f"{at}.provision"))
    return found


def _provision_faults(provision: Element, at: str) -> Iterator[Issue]:
    if any(level is None for level in _levels(provision)):
        yield Issue("CO205", at=at)
    if any(_actor(each) is None for each in children(provision, "actor")):
        yield Issue("CO207", at=f"{at}.actor")
    period = child(provision, "period")
    for end in ("start", "end"):
        if end in period and _moment(text(period, end), UTC_ZONE, at_end=False) is None:
            yield Issue("CO203", at=f"{at}.period.{end}")
    for each in children(provision, "provision"):
        yield from _provision_faults(each, f"{at}.provision")


def _provision(provision: Element, zone: ZoneInfo, *, is_decidable: bool) -> Provision:
    verdict = Verdict.PERMIT if text(provision, "type") == "permit" else Verdict.DENY
    period = child(provision, "period")
    start = _moment(text(period, "start"), zone, at_end=False)
    end = _moment(text(period, "end"), zone, at_end=True)
    actors = [_actor(each) for each in children(provision, "actor")]
    levels = list(_levels(provision))
    is_read = (
        text(provision, "type") in ("permit", "deny")
        and not ("start" in period and start is None)
        and not ("end" in period and end is None)
        and None not in actors
        and None not in levels
        and not any(name in provision for name in _NOT_DECIDED)
        and _is_about_disclosure(provision)
        and all(system == ACT_REASON for system, _ in _purposes(provision))
    )
    recipients = frozenset(each for each in actors if each) if "actor" in provision else None
    purposes = frozenset(code for _, code in _purposes(provision)) if "purpose" in provision else None
    if verdict is Verdict.DENY and not is_read:
        recipients = purposes = None
    known_levels = [each for each in levels if each is not None]
    return Provision(
        type=verdict,
        start=start,
        end=end,
        recipients=recipients,
        purposes=purposes,
        level=min(known_levels, key=LEVELS.index) if known_levels else None,
        is_decidable=is_decidable and is_read,
        exceptions=tuple(
            _provision(each, zone, is_decidable=is_decidable) for each in children(provision, "provision")
        ),
    )


def _basis_codes(resource: Element) -> Iterator[tuple[str, str]]:
    yield from codes(child(extension(resource, DISCLOSURE_BASIS), "valueCodeableConcept"))
    yield from codes(child(resource, "policyRule"))


def _levels(provision: Element) -> Iterator[Level | None]:
    """Content levels a provision names; None for a restriction that is no level of ours."""
    named = [
        text(each, "valueCode")
        for each in children(provision, "extension")
        if each.get("url") == CONTENT_LEVEL
    ]
    for coding in children(provision, "class"):
        named.append(text(coding, "code") if coding.get("system") == LEVEL else None)
    for concept in children(provision, "code"):
        named.extend(code if system == LEVEL else None for system, code in codes(concept))
    yield from (Level(each) if each in list(Level) else None for each in named)


def _actor(actor: Element) -> str | None:
    reference = child(actor, "reference")
    return key_of(child(reference, "identifier")) or key_of({"value": _urn(text(reference, "reference"))})


def _urn(reference: str | None) -> str | None:
    return reference if reference and reference.startswith("urn:oid:") else None


def _purposes(provision: Element) -> Iterator[tuple[str, str]]:
    return ((text(each, "system") or "", text(each, "code") or "") for each in children(provision, "purpose"))


def _is_about_disclosure(provision: Element) -> bool:
    if "action" not in provision:
        return True
    return any(code in _DISCLOSE for each in children(provision, "action") for _, code in codes(each))


def _renewed(resource: Element, zone: ZoneInfo) -> datetime | None:
    """The last time the patient confirmed it. R4 Consent.verification."""
    moments = [
        moment
        for each in children(resource, "verification")
        if each.get("verified") is True
        and (moment := _moment(text(each, "verificationDate"), zone, at_end=False)) is not None
    ]
    return max(moments, default=None)


UTC_ZONE = ZoneInfo("UTC")


def _moment(value: str | None, zone: ZoneInfo, *, at_end: bool) -> datetime | None:
    """The first moment a FHIR dateTime names, or the last; None if it names none."""
    if value is None:
        return None
    try:
        if "T" in value:
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else None
        year, month, day = (*(int(part) for part in value.split("-")), 0, 0)[:3]
        first = date(year, month or 1, day or 1)
        if at_end:
            first = _after(first, has_month=bool(month), has_day=bool(day))
    except (ValueError, OverflowError):
        return None
    begins = datetime.combine(first, time.min, zone)
    return begins - timedelta(microseconds=1) if at_end else begins


def _after(first: date, *, has_month: bool, has_day: bool) -> date:
    """The day after the day, month or year that begins on `first`."""
    if has_day:
        return first + timedelta(days=1)
    if has_month:
        return (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    return first.replace(year=first.year + 1)


# The rule table -------------------------------------------------------------------------------------------


class Needs(StrEnum):
    """What has to stand beside a rule for it to permit."""

    CONSENT = "consent"
    """A Consent of the patient on that basis."""
    AGREEMENT = "agreement"
    """The basis named by the agreement of the two organisations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of the table: this event may go to this register on this basis."""

    event: str
    basis: Basis
    register: Register
    level: Level
    """The most."""
    purposes: frozenset[str]
    needs: Needs
    comment: str = ""


COLUMNS = ("event", "basis", "register", "level", "purposes", "needs", "comment")


@dataclass(frozen=True, slots=True)
class Rules:
    """The table, as the deployer's lawyer signed it."""

    rows: Sequence[Rule]

    def find(self, event: str, basis: Basis, register: Register) -> Rule | None:
        """Return the line for these three, or None: then it may not go."""
        return next(
            (row for row in self.rows if (row.event, row.basis, row.register) == (event, basis, register)),
            None,
        )

    def knows(self, event: str, basis: Basis) -> bool:
        """Return True if the event may go to some register on that basis."""
        return any((row.event, row.basis) == (event, basis) for row in self.rows)

    def speaks_of(self, event: str, register: Register) -> bool:
        """Return True if the event may go to that register on some basis."""
        return any((row.event, row.register) == (event, register) for row in self.rows)

    def has_purpose(self, event: str, register: Register, purpose: str) -> bool:
        """Return True if the event may go to that register for that purpose."""
        return any(
            (row.event, row.register) == (event, register) and purpose in row.purposes for row in self.rows
        )

    def as_csv(self) -> str:
        """Write the whole table as one CSV, for the one who has to sign or audit it."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in self.rows:
            purposes = " ".join(sorted(row.purposes))
            writer.writerow((row.event, row.basis, row.register, row.level, purposes, row.needs, row.comment))
        return out.getvalue()


def read_rules(source: str) -> Rules:
    """Read the table from its CSV.

    Raises ConfigurationError (CO300) with every fault: a missing column, a value that is none of the known
    ones, two lines for the same three, a line that would let something go to an employer.
    """
    rows: list[Rule] = []
    found: list[Issue] = []
    table = csv.DictReader(io.StringIO(source.lstrip("\ufeff")))
    if not set(COLUMNS[:-1]) <= set(table.fieldnames or ()):
        found.append(Issue("CO301", params={"columns": ", ".join(COLUMNS)}, line=1))
    else:
        for row in table:
            line_faults = list(_row_faults(row, table.line_num))
            found.extend(line_faults)
            if not line_faults:
                rows.append(_rule(row))
    seen: set[tuple[str, Basis, Register]] = set()
    for rule in rows:
        key = (rule.event, rule.basis, rule.register)
        if key in seen:
            found.append(Issue("CO303", params={"rule": " + ".join(key)}))
        seen.add(key)
    if found:
        raise ConfigurationError("CO300", params={"count": len(found)}, issues=found)
    return Rules(tuple(rows))


@cache
def shipped_rules() -> Rules:
    """Return the table that travels with the package: a proposal for the deployer's lawyer."""
    return read_rules((files("adapter.relay") / "tables" / "disclosure-rules.csv").read_text("utf-8"))


_KNOWN: dict[str, tuple[str, ...]] = {
    "event": tuple(event.MEANINGS_OF_EVENT),
    "basis": tuple(Basis),
    "register": tuple(each for each in Register if each not in (Register.EMPLOYER, Register.UNKNOWN)),
    "level": tuple(Level),
    "needs": tuple(Needs),
}


def _row_faults(row: dict[str, str], line: int) -> Iterator[Issue]:
    for column, known in _KNOWN.items():
        if row[column] not in known:
            yield Issue("CO302", params={"column": column, "known": ", ".join(known)}, line=line)
    if not (row["purposes"] or "").split():
        yield Issue("CO304", line=line)


def _rule(row: dict[str, str]) -> Rule:
    return Rule(
        event=row["event"],
        basis=Basis(row["basis"]),
        register=Register(row["register"]),
        level=Level(row["level"]),
        purposes=frozenset(row["purposes"].split()),
        needs=Needs(row["needs"]),
        comment=row.get("comment") or "",
    )
