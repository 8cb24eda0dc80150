"""Consent: may this recipient have this notification, at which level, and on what ground.

Deny unless something permits, and a denial (kielto) wins over everything that permits. `decide` is asked when
a message is accepted and again before each send; it looks at nothing but its arguments.

The disclosure rules say what the law leaves room for (`disclosure_rules`), the Consents what this patient
allows or forbids (`consent_record`). Both must permit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from adapter.relay.artefact import artefact_of_event
from adapter.relay.consent_record import Verdict
from adapter.relay.directory import RecipientClass, Register
from adapter.relay.disclosure_rules import Basis, Needs
from adapter.relay.message import LEVELS, Level
from adapter.relay.routing import PROVES_CARE, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from adapter.relay.consent_record import ConsentRecord, Provision
    from adapter.relay.disclosure_rules import Rules

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
    sender_register: Register
    """Whose register what is asked for comes from."""
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
    purpose: str | None = field(default=None, compare=False)
    """What it was asked for, v3-ActReason: of the question, not of the answer."""
    rules: str | None = field(default=None, compare=False)
    """Version of the rule table that was asked."""

    @property
    def reference(self) -> str:
        """Basis and consent in one text, as the delivery and the audit keep it."""
        return f"{self.basis.value}:{self.consent}" if self.consent else self.basis.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """The recipient may not have it."""

    reasons: tuple[str, ...]
    """Codes of the catalogue, the weightiest first."""
    purpose: str | None = field(default=None, compare=False)
    """What it was asked for, v3-ActReason; None if it was not asked."""

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
    answer = _weighed(request, list(consents), rules)
    if isinstance(answer, Deny):
        return replace(answer, purpose=request.purpose)
    return replace(answer, purpose=request.purpose, rules=rules.version)


def _weighed(request: Request, records: list[ConsentRecord], rules: Rules) -> Permit | Deny:
    at_the_door = tuple(_standing_reasons(request, rules))
    if at_the_door:
        return Deny(reasons=at_the_door)
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
    "CO122",
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
    elif not rules.receives_for(request.recipient_class, request.purpose):
        yield "CO123"
    elif not rules.has_purpose(request.event, request.register, request.purpose):
        yield "CO113"
    if request.evidence is None or request.evidence.rung not in PROVES_CARE:
        yield "CO111"
    if not request.agreed_levels:
        yield "CO120"


# What one Consent says -----------------------------------------------------------------------------------


class Cover(StrEnum):
    """Whether a restriction of a provision includes the request."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """It restricts by something that is not decided here."""


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
    if not _is_about(provision, request):
        yield Cover.NO
    if not provision.is_decidable:
        yield Cover.UNKNOWN


def _is_about(provision: Provision, request: Request) -> bool:
    return provision.artefacts is None or artefact_of_event(request.event) in provision.artefacts


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
    rule = rules.find(request.event, record.basis, request.register, request.sender_register)
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
    permits = [each for each in provision.walk() if each.type is Verdict.PERMIT]
    covering = [each for each in permits if _near_miss(each, request) is None]
    return next(iter(covering[::-1] or permits), None)


def _near_miss(provision: Provision, request: Request) -> str | None:
    if provision.recipients is not None and request.recipient not in provision.recipients:
        return "CO106"
    if not _is_about(provision, request):
        return "CO122"
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
        rule = rules.find(request.event, basis, request.register, request.sender_register)
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
