"""Consent: each rule a test named after it, and an independent judge over the whole product of the table.

Everybody in here is invented.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapter.errors import ConfigurationError
from adapter.relay import consent, consent_record, disclosure_rules
from adapter.relay.consent import Deny, Permit, Request
from adapter.relay.directory import REGISTER_OF, RecipientClass, Register
from adapter.relay.disclosure_rules import Basis, Needs, Role, Rules
from adapter.relay.message import Level
from adapter.relay.notification import BASIS, DISCLOSURE_BASIS
from adapter.relay.routing import Evidence, Rung
from tests.relay.notes import BASE, CLINIC, HOSPITAL, OTHER_CLINIC, concept

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HELSINKI = ZoneInfo("Europe/Helsinki")
RULES = disclosure_rules.shipped()
HISTORY = Evidence(rung=Rung.HISTORY, detail="x")
NAMED = Evidence(rung=Rung.NAMED, detail="Bundle.entry[3].resource.recipient[0]")
OH = RecipientClass.OCCUPATIONAL_HEALTH


def request(recipient_class: RecipientClass = OH, **change: Any) -> Request:
    """What is asked for one recipient."""
    plain = Request(
        event="procedure-notification",
        purpose="TREAT",
        sender=HOSPITAL,
        sender_register=Register.HEALTH,
        recipient=CLINIC,
        recipient_class=recipient_class,
        register=REGISTER_OF[recipient_class],
        evidence=NAMED,
        cap=Level.CLINICAL,
        agreed_levels=frozenset(Level),
        agreed_bases=frozenset(),
        at=NOW,
        zone=HELSINKI,
    )
    return replace(plain, **change)


def record(basis: str = "luovutuslupa", number: int = 1, **change: Any) -> dict[str, Any]:
    """A Consent as it is stored: a permit unless said otherwise."""
    provision = {"type": change.pop("type", "permit"), **change.pop("provision", {})}
    return {
        "resourceType": "Consent",
        "id": str(number),
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "patient": {"identifier": {"system": "urn:oid:1.2.246.21", "value": "010190-999W"}},
        "dateTime": "2025-05-01",
        "policyRule": concept(f"{BASE}/CodeSystem/disclosure-basis", basis),
        "provision": provision,
        **change,
    }


def to(*keys: str) -> list[dict[str, Any]]:
    """Actors of a provision: the recipients it names."""
    return [{"role": concept("x", "IRCP"), "reference": {"identifier": {"value": key}}} for key in keys]


def about(*codes: str) -> list[dict[str, Any]]:
    """What a provision is about, as `Consent.provision.class`."""
    return [{"system": f"{BASE}/CodeSystem/message-event", "code": code} for code in codes]


def level(code: str) -> list[dict[str, Any]]:
    """The level of a provision."""
    return [{"url": f"{BASE}/StructureDefinition/content-level", "valueCode": code}]


def decide(asked: Request, *resources: dict[str, Any], rules: Rules = RULES) -> Permit | Deny:
    """Decide by these Consents."""
    return consent.decide(asked, [consent_record.read(each, 1, HELSINKI) for each in resources], rules)


def test_d1_default_deny() -> None:
    """Without a recorded basis nothing goes."""
    assert decide(request()) == Deny(reasons=("CO101",))


def test_d1_a_disclosure_permit_permits() -> None:
    """A valid permit lets the whole of its level go, and says which one it was."""
    assert decide(request(), record()) == Permit(
        level=Level.CLINICAL, basis=Basis.LUOVUTUSLUPA, consent="Consent/1#1"
    )


D2 = {
    "absent": ([], "CO101"),
    "withdrawn": ([record(status="inactive")], "CO103"),
    "expired": ([record(provision={"period": {"end": "2026-03-03"}})], "CO104"),
    "not yet valid": ([record(provision={"period": {"start": "2026-03-05"}})], "CO105"),
    "of 2023, not renewed": ([record(dateTime="2023-12-31")], "CO108"),
}


@pytest.mark.parametrize(("records", "reason"), D2.values(), ids=D2)
def test_d2_a_permit_that_does_not_hold_blocks(records: list[dict[str, Any]], reason: str) -> None:
    """Absent, withdrawn, expired, not yet valid, or of 2023 and not renewed: nothing goes."""
    assert decide(request(), *records) == Deny(reasons=(reason,))


def test_d2_a_renewed_permit_of_2023_holds() -> None:
    """The patient has confirmed it since."""
    renewed = record(
        dateTime="2023-05-01", verification=[{"verified": True, "verificationDate": "2024-02-01"}]
    )

    assert isinstance(decide(request(), renewed), Permit)


def test_d2_the_last_day_is_in_helsinki() -> None:
    """A permit given on the last evening of 2023 by Finnish time is one of 2023."""
    answers = [
        decide(request(), record(dateTime=moment))
        for moment in ("2023-12-31T23:59:00+02:00", "2023-12-31T22:00:00+00:00")
    ]

    assert [type(answer) for answer in answers] == [Deny, Permit]


def test_d2_an_old_explicit_consent_needs_no_renewal() -> None:
    """The rule is the permit's alone."""
    old = record("explicit-consent", dateTime="2022-01-01", provision={"actor": to(CLINIC)})

    assert isinstance(decide(request(), old), Permit)


def test_d2_h2_the_end_of_a_period_is_included() -> None:
    """A permit holds until the last moment of its last day."""
    last_day = record(provision={"period": {"end": "2026-03-04"}})
    late = datetime(2026, 3, 4, 21, 59, 59, tzinfo=UTC)

    answers = [decide(request(at=at), last_day) for at in (late, late + timedelta(seconds=1))]

    assert [type(answer) for answer in answers] == [Permit, Deny]


D3 = {
    "covers everything": {},
    "covers the recipient": {"provision": {"actor": to(CLINIC)}},
    "covers the sender": {"organization": [{"identifier": {"value": HOSPITAL}}]},
    "names an encounter": {
        "provision": {"data": [{"meaning": "instance", "reference": {"reference": "E/1"}}]}
    },
    "says something undecided": {"provision": {"securityLabel": [{"system": "x", "code": "PSY"}]}},
    "cannot be read": {"provision": {"period": {"start": "someday"}, "actor": to(OTHER_CLINIC)}},
}


@pytest.mark.parametrize("change", D3.values(), ids=D3)
def test_d3_h2_a_denial_overrides_any_permit(change: dict[str, Any]) -> None:
    """It wins wherever it may cover the sender, the recipient or the encounter."""
    denial = record(number=2, type="deny", **change)
    explicit = record("explicit-consent", provision={"actor": to(CLINIC)})

    assert decide(request(), record(), explicit, denial) == Deny(reasons=("CO102",))


@pytest.mark.parametrize(
    "change",
    [
        {"provision": {"actor": to(OTHER_CLINIC)}},
        {"organization": [{"identifier": {"value": OTHER_CLINIC}}]},
        {"provision": {"period": {"end": "2026-03-03"}}},
        {"status": "inactive"},
    ],
    ids=["another recipient", "another sender", "over", "withdrawn"],
)
def test_d3_a_denial_that_surely_does_not_cover_denies_nothing(change: dict[str, Any]) -> None:
    """About somebody else, or no longer in force."""
    assert isinstance(decide(request(), record(), record(number=2, type="deny", **change)), Permit)


def test_d3_h2_a_denial_within_a_permit_wins() -> None:
    """A permit for all with one exception denies the exception."""
    permit = record(provision={"provision": [{"type": "deny", "actor": to(CLINIC)}]})

    assert [type(decide(request(recipient=key), permit)) for key in (CLINIC, OTHER_CLINIC)] == [Deny, Permit]


SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
TONIGHT = record(provision={"period": {"end": "2026-03-04"}})
BUT_CLINIC = record(type="deny", provision={"provision": [{"type": "permit", "actor": to(CLINIC)}]})
H2: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str | None]] = {
    "H2 it expires tonight, before midnight": (
        [TONIGHT],
        {"at": datetime(2026, 3, 4, 21, 59, tzinfo=UTC)},
        None,
    ),
    "H2 it expires tonight, after midnight": (
        [TONIGHT],
        {"at": datetime(2026, 3, 4, 22, 0, tzinfo=UTC)},
        "CO104",
    ),
    "H2 a period without end": (
        [record(provision={"period": {"start": "2025-05-01"}})],
        {"at": datetime(2046, 3, 4, tzinfo=UTC)},
        None,
    ),
    "H2 for research": ([record(scope=concept(SCOPE, "research"))], {}, "CO118"),
    "H2 for treatment": ([record(scope=concept(SCOPE, "treatment"))], {}, "CO118"),
    "H2 a permit nested in a denial, for whom it is": ([BUT_CLINIC], {}, None),
    "H2 a permit nested in a denial, for another": ([BUT_CLINIC], {"recipient": OTHER_CLINIC}, "CO102"),
    "H2 a permit and a denial": ([record(), record(number=2, type="deny")], {}, "CO102"),
    "H2 a newer permit and an older denial": (
        [record(dateTime="2026-03-01"), record(number=2, type="deny", dateTime="2024-03-01")],
        {},
        "CO102",
    ),
    "H2 a permit, and a denial nested in another": (
        [record(), record(number=2, provision={"provision": [{"type": "deny", "actor": to(CLINIC)}]})],
        {},
        "CO102",
    ),
}
"""By case: what the patient has said, what is asked, and why not, None if it may go."""


@pytest.mark.parametrize(("records", "asked", "reason"), H2.values(), ids=H2)
def test_h2_the_hard_cases_of_consent(
    records: list[dict[str, Any]], asked: dict[str, Any], reason: str | None
) -> None:
    """H2: a denial wins whatever stands beside it, and every denial has its reason."""
    answer = decide(request(**asked), *records)

    assert (answer.reason if isinstance(answer, Deny) else None) == reason


def test_d4_the_countys_own_occupational_health_is_external() -> None:
    """Two organisations of one county need the same permit as any two."""
    own = request(recipient="urn:oid:1.2.246.10.1111111.10.2")

    assert decide(own) == Deny(reasons=("CO101",))


D5 = [
    (RecipientClass.SOCIAL_SERVICE, "luovutuslupa"),
    (RecipientClass.EMPLOYMENT_SERVICE, "luovutuslupa"),
    (RecipientClass.EMPLOYMENT_SERVICE, "explicit-consent"),
    (RecipientClass.KELA, "luovutuslupa"),
    (RecipientClass.ACCIDENT_INSURER, "patient-request"),
    (RecipientClass.UNKNOWN, "explicit-consent"),
]


@pytest.mark.parametrize(("recipient_class", "basis"), D5)
def test_d5_a_permit_stays_in_its_sector(recipient_class: RecipientClass, basis: str) -> None:
    """A health permit never opens social welfare, employment, Kela or an insurer."""
    answer = decide(
        request(recipient_class, purpose="CAREMGT"), record(basis, provision={"actor": to(CLINIC)})
    )

    assert isinstance(answer, Deny)
    assert answer.reason == "CO110"


def test_d5_another_sector_needs_its_own_consent() -> None:
    """Social welfare by explicit consent, at the minimal level and no more."""
    own = record("explicit-consent", provision={"actor": to(CLINIC), "extension": level("clinical")})

    answer = decide(request(RecipientClass.SOCIAL_SERVICE, purpose="CAREMGT"), own)

    assert answer == Permit(level=Level.MINIMAL, basis=Basis.EXPLICIT_CONSENT, consent="Consent/1#1")


PLAN = ("client-plan", "assessment")


@pytest.mark.parametrize("event", PLAN)
def test_d5_the_permit_for_health_data_opens_no_register_of_social_welfare(event: str) -> None:
    """What a social service keeps goes to a health register by a consent of its own alone."""
    own = record("explicit-consent", provision={"actor": to(CLINIC), "class": about(event)})
    answers = [
        decide(request(event=event, sender_register=register), each)
        for register in (Register.HEALTH, Register.SOCIAL)
        for each in (record(), own)
    ]

    assert [type(each) for each in answers] == [Permit, Permit, Deny, Permit]


D11 = [
    (RecipientClass.EMPLOYMENT_SERVICE, "explicit-consent", Level.MINIMAL),
    (RecipientClass.KELA, "patient-request", Level.CLINICAL),
    (RecipientClass.KELA, "explicit-consent", None),
    (RecipientClass.KELA, "luovutuslupa", None),
    (RecipientClass.SOCIAL_SERVICE, "explicit-consent", Level.CLINICAL),
    (RecipientClass.ACCIDENT_INSURER, "explicit-consent", None),
    (RecipientClass.EDUCATION, "patient-request", None),
]


@pytest.mark.parametrize(("kind", "basis", "most"), D11)
def test_d11_each_sector_has_its_basis_and_its_most(
    kind: RecipientClass, basis: str, most: Level | None
) -> None:
    """Kela by an application alone, employment services never more than the minimal level, others nothing."""
    provision = {"actor": to(CLINIC), "extension": level("clinical"), "class": about(*PLAN)}
    answers = [
        decide(request(kind, event=event, purpose="CAREMGT"), record(basis, provision=provision))
        for event in PLAN
    ]

    assert [getattr(each, "level", None) for each in answers] == [most, most]


def test_d11_a_statute_opens_kela_only_where_the_agreement_names_it() -> None:
    """A line of the table opens nothing by itself."""
    asked = [
        request(RecipientClass.KELA, event="client-plan", purpose="CAREMGT", agreed_bases=frozenset(bases))
        for bases in ((), ("statutory",))
    ]

    assert [type(decide(each)) for each in asked] == [Deny, Permit]


SCOPES = {
    "says nothing": (None, ["procedure-notification", "correction"]),
    "of plans": (("client-plan",), ["client-plan"]),
    "of assessments and plans": (("assessment", "client-plan"), ["assessment", "client-plan"]),
    "of notifications": (("procedure-notification",), ["procedure-notification", "correction"]),
    "of something that tells nothing": (("feedback",), []),
}


@pytest.mark.parametrize(("named", "covered"), SCOPES.values(), ids=SCOPES)
def test_d6_a_consent_is_about_what_it_says(named: tuple[str, ...] | None, covered: list[str]) -> None:
    """Whoever let a procedure be told has let no plan and no assessment go."""
    provision = {"actor": to(CLINIC), **({"class": about(*named)} if named else {})}
    own = record("explicit-consent", provision=provision)
    events = ("procedure-notification", "correction", "assessment", "client-plan")

    assert [each for each in events if isinstance(decide(request(event=each), own), Permit)] == covered


def test_d6_what_a_consent_is_about_holds_for_all_within() -> None:
    """A permit that stands within one about plans is about plans, and says no more of them."""
    inner = {"type": "permit", "actor": to(CLINIC), "extension": level("clinical")}
    nested = {"class": about("client-plan"), "actor": to(CLINIC), "provision": [inner]}
    own = record("explicit-consent", provision=nested)
    answers = [decide(request(event=each), own) for each in ("client-plan", "procedure-notification")]

    assert [getattr(each, "level", each.__class__) for each in answers] == [Level.CLINICAL, Deny]


DENIALS = {
    "of everything": ({}, ["client-plan", "procedure-notification"]),
    "of plans": ({"class": about("client-plan")}, ["client-plan"]),
    "of something that tells nothing": (
        {"class": about("feedback")},
        ["client-plan", "procedure-notification"],
    ),
}


@pytest.mark.parametrize(("provision", "denied"), DENIALS.values(), ids=DENIALS)
def test_d3_a_denial_is_about_all_unless_it_says(provision: dict[str, Any], denied: list[str]) -> None:
    """One about plans keeps plans back; one nobody can read keeps everything back."""
    denial = record(number=2, type="deny", provision=provision)
    answers = {
        each: decide(request(event=each), record(), denial)
        for each in ("client-plan", "procedure-notification")
    }

    assert [each for each, answer in answers.items() if isinstance(answer, Deny)] == denied


def test_d6_h5_an_explicit_consent_names_its_recipient() -> None:
    """One that names nobody, or somebody else, permits nothing."""
    nobody = record("explicit-consent")
    another = record("explicit-consent", provision={"actor": to(OTHER_CLINIC)})

    assert [decide(request(), each) for each in (nobody, another)] == [Deny(reasons=("CO106",))] * 2


def test_d6_a_withdrawal_holds_at_once() -> None:
    """The newest version decides, whatever the version before said."""
    given, withdrawn = record(), record(status="inactive")

    assert [type(decide(request(), each)) for each in (given, withdrawn)] == [Permit, Deny]


def test_d6_a_consent_about_another_register_is_none() -> None:
    """It names the organisation whose data it is about."""
    answer = decide(request(), record(organization=[{"identifier": {"value": OTHER_CLINIC}}]))

    assert answer == Deny(reasons=("CO116",))


def test_d6_a_purpose_the_consent_does_not_name_is_denied() -> None:
    """A consent for research opens no treatment."""
    purpose = [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}]

    assert decide(request(), record(provision={"purpose": purpose})) == Deny(reasons=("CO113",))


def test_d6_a_restriction_nobody_decides_permits_nothing() -> None:
    """A permit for some document types only is left to a person."""
    some = record(provision={"class": [{"system": "urn:x", "code": "letters"}]})

    assert decide(request(), some) == Deny(reasons=("CO118",))


LEVELS = {
    "consent is minimal": (level("minimal"), {}, Level.MINIMAL),
    "partner is minimal": (level("clinical"), {"cap": Level.MINIMAL}, Level.MINIMAL),
    "agreement is minimal": (
        level("clinical"),
        {"agreed_levels": frozenset({Level.MINIMAL})},
        Level.MINIMAL,
    ),
    "all are clinical": (level("clinical"), {}, Level.CLINICAL),
}


@pytest.mark.parametrize(("extension", "change", "expected"), LEVELS.values(), ids=LEVELS)
def test_d7_the_lowest_level_decides(
    extension: list[dict[str, Any]], change: dict[str, Any], expected: Level
) -> None:
    """Of the consent's level, the partner's cap and what is agreed on."""
    answer = decide(request(**change), record(provision={"extension": extension}))

    assert isinstance(answer, Permit)
    assert answer.level is expected


def test_d7_no_common_level_is_a_denial() -> None:
    """Clinical agreed and minimal permitted is nothing at all."""
    minimal = record(provision={"extension": level("minimal")})

    assert decide(request(agreed_levels=frozenset({Level.CLINICAL})), minimal) == Deny(reasons=("CO107",))


def test_d7_a_consent_without_a_level_is_minimal() -> None:
    """Only a disclosure permit speaks of all that a register holds; another consent has to say so."""
    answer = decide(request(), record("referral-consent"))

    assert isinstance(answer, Permit)
    assert answer.level is Level.MINIMAL


@pytest.mark.parametrize("basis", list(Basis))
def test_d8_h5_an_employer_never_receives(basis: Basis) -> None:
    """No consent, no agreement and no rule makes an employer a recipient."""
    own = record(basis, provision={"actor": to(CLINIC), "extension": level("clinical")})
    asked = request(RecipientClass.EMPLOYER, agreed_bases=frozenset({"statutory", "purchased-service"}))

    assert decide(asked, own) == Deny(reasons=("CO109",))


def test_d8_no_rule_can_be_written_for_an_employer() -> None:
    """A line of the table that names the employer's register keeps the deployment from starting."""
    header = ",".join(disclosure_rules.COLUMNS)
    row = "procedure-notification,explicit-consent,employer,minimal,TREAT,consent,"

    with pytest.raises(ConfigurationError) as caught:
        disclosure_rules.read(f"{header}\n{row}\n")

    assert [issue.code for issue in caught.value.issues] == ["CO302"]


@pytest.mark.parametrize(("purpose", "reason"), [(None, "CO112"), ("HMARKT", "CO123"), ("PATRQT", "CO113")])
def test_d20_a_purpose_is_needed_and_must_be_the_recipients(purpose: str | None, reason: str) -> None:
    """No purpose, one of no role, or one of another basis."""
    assert decide(request(purpose=purpose), record()) == Deny(reasons=(reason,))


@pytest.mark.parametrize("evidence", [None, Evidence(rung=Rung.HISTORY, detail="message/1")])
def test_d24_a_permit_needs_a_care_relationship(evidence: Evidence | None) -> None:
    """Without evidence, or with history alone, a permit permits nothing."""
    assert decide(request(evidence=evidence), record()) == Deny(reasons=("CO111",))


def test_a_basis_without_consent_needs_rule_and_agreement() -> None:
    """Purchased service permits where the pair has agreed on it; statute has no line in the shipped table."""
    answers = [
        decide(request(agreed_bases=frozenset(bases)))
        for bases in ((), ("purchased-service",), ("statutory",))
    ]

    assert answers == [
        Deny(reasons=("CO101",)),
        Permit(level=Level.CLINICAL, basis=Basis.PURCHASED_SERVICE, consent=None),
        Deny(reasons=("CO114",)),
    ]


def test_the_higher_of_two_permits_decides() -> None:
    """A minimal consent does not narrow a permit that stands beside it."""
    low = record("explicit-consent", 2, provision={"actor": to(CLINIC), "extension": level("minimal")})

    assert decide(request(), low, record()) == decide(request(), record())


# The table ------------------------------------------------------------------------------------------------


def test_the_table_is_one_csv() -> None:
    """What is read can be written, and says the same."""
    assert disclosure_rules.read(RULES.as_csv()) == RULES


def test_a_table_names_all_its_faults() -> None:
    """An unknown basis, a missing purpose, and a rule that stands twice."""
    good = "cancel,luovutuslupa,health,minimal,TREAT,consent,"
    role = "*,*,*,*,TREAT,*,,kela,"
    rows = [
        "cancel,hearsay,health,minimal,TREAT,consent,",
        "cancel,statutory,health,minimal,,consent,",
        "cancel,explicit-consent,health,minimal,TREAT,consent,,kela,",
        role.replace("kela", "employer"),
        role.replace("TREAT", ""),
        role.replace("*,*,*,*", "*,*,health,*"),
        role,
        role,
        good,
        good,
    ]

    with pytest.raises(ConfigurationError) as caught:
        disclosure_rules.read("\n".join([",".join(disclosure_rules.COLUMNS), *rows]))

    codes = ["CO302", "CO304", "CO302", "CO302", "CO304", "CO302", "CO303", "CO303"]
    assert [issue.code for issue in caught.value.issues] == codes


def test_every_rule_removed_is_noticed() -> None:
    """Each line of the table permits something that nothing else does."""
    for number, rule in enumerate(RULES.rows):
        kind = next(each for each, register in REGISTER_OF.items() if register is rule.register)
        asked = request(
            kind,
            event=rule.event,
            purpose=min(rule.purposes),
            agreed_bases=frozenset({rule.basis.value}) if rule.needs is Needs.AGREEMENT else frozenset(),
        )
        provision = {"actor": to(CLINIC), "extension": level("clinical"), "class": about(rule.event)}
        own = record(rule.basis, provision=provision)
        without = Rules(tuple(RULES.rows[:number]) + tuple(RULES.rows[number + 1 :]), RULES.roles)

        answers = [decide(asked, own, rules=rules) for rules in (RULES, without)]

        assert [type(answer) for answer in answers] == [Permit, Deny], rule


KINDS_TOLD = {role.recipient for role in RULES.roles}


@pytest.mark.parametrize("kind", RecipientClass)
def test_d20_each_kind_of_recipient_receives_for_the_purposes_of_its_role(kind: RecipientClass) -> None:
    """Whatever event, basis and consent: without its line, and for another purpose, the answer is no."""
    rule = next((each for each in RULES.rows if each.register is REGISTER_OF[kind]), RULES.rows[0])
    bases = frozenset({rule.basis.value}) if rule.needs is Needs.AGREEMENT else frozenset[str]()
    provision = {"actor": to(CLINIC), "extension": level("clinical"), "class": about(rule.event)}
    own = record(rule.basis, provision=provision)
    asked = request(kind, event=rule.event, purpose=min(rule.purposes), agreed_bases=bases)
    others = tuple(each for each in RULES.roles if each.recipient is not kind)
    elsewhere = Role(recipient=kind, purposes=frozenset({"HMARKT"}))

    answers = [
        decide(asked, own, rules=replace(RULES, roles=roles)) for roles in (others, (*others, elsewhere))
    ]

    refused = "CO123" if kind in KINDS_TOLD else "CO109" if kind is RecipientClass.EMPLOYER else "CO110"
    assert [(type(each), getattr(each, "reasons", ())) for each in answers] == [(Deny, (refused,))] * 2
    assert isinstance(decide(asked, own), Permit) is (kind in KINDS_TOLD)


def test_d20_a_table_that_was_signed_without_roles_has_the_shipped_ones() -> None:
    """So that no own table opens more by saying less."""
    own = replace(RULES, roles=()).as_csv()

    assert disclosure_rules.read(own).roles == RULES.roles


FAULTS = {
    "no patient": ({"patient": {}}, "CO202"),
    "no time": ({"dateTime": None}, "CO203"),
    "no basis": ({"policyRule": {}}, "CO204"),
    "two bases": (
        {"extension": [{"url": DISCLOSURE_BASIS, "valueCodeableConcept": concept(BASIS, "statutory")}]},
        "CO204",
    ),
    "unknown level": ({"provision": {"extension": level("everything")}}, "CO205"),
    "neither permit nor deny": ({"type": "maybe"}, "CO206"),
    "nameless recipient": ({"provision": {"actor": [{"reference": {"display": "Keksitty"}}]}}, "CO207"),
    "about research": ({"scope": concept("x", "research")}, "CO208"),
    "no id": ({"id": ""}, "CO201"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "code"), FAULTS.values(), ids=FAULTS)
def test_a_consent_that_cannot_be_decided_by_is_refused(change: dict[str, Any], code: str) -> None:
    """It is named by its element, and not stored."""
    assert code in [issue.code for issue in consent_record.faults(record(**change))]


def test_a_good_consent_has_no_faults() -> None:
    """Nothing is found where nothing is wrong."""
    assert consent_record.faults(record()) == []


# An independent judge -------------------------------------------------------------------------------------

# It knows the rules from their wording alone and shares nothing with `consent` but the input.
WHEN = {
    "past": ("2024-01-01", "2025-01-01"),
    "now": ("2024-01-01", "2030-01-01"),
    "future": ("2027-01-01", None),
}


def naive(
    asked: Request,
    consents: list[dict[str, Any]],
    rules: list[dict[str, str]],
    roles: dict[str, list[str]] | None = None,
) -> str | None:
    """The level that may go, or None: slow and plain, over consents made by `random_consent`."""
    if asked.purpose not in (roles or ROLE_ROWS).get(asked.recipient_class.value, []):
        return None
    if asked.recipient_class.value == "employer" or asked.purpose is None or asked.evidence is None:
        return None
    if asked.evidence.rung.value == "history" or not asked.agreed_levels:
        return None
    best: list[str] = []
    for each in consents:
        about = each["about"]
        in_force = each["status"] == "active" and about["when"] == "now"
        concerns = about["sender"] in (None, asked.sender) and about["recipient"] in (None, asked.recipient)
        purpose_fits = about["purpose"] in (None, asked.purpose)
        subject = asked.event if asked.event in ("assessment", "client-plan") else "notification"
        said = about["contents"]
        is_permit_of_all = about["type"] == "permit" and about["basis"] == "luovutuslupa"
        if said is None and about["type"] == "permit" and not is_permit_of_all:
            said = ["notification"]
        content_fits = said is None or subject in said
        if about["type"] == "deny":
            if in_force and concerns and (about["odd"] or (purpose_fits and content_fits)):
                return None
            continue
        if not (in_force and concerns and purpose_fits and content_fits) or about["odd"]:
            continue
        if about["basis"] == "luovutuslupa" and each["dateTime"] < "2024" and not about["renewed"]:
            continue
        if about["basis"] == "explicit-consent" and about["recipient"] is None:
            continue
        found = [
            rule for rule in rules if rule["needs"] == "consent" and _speaks(rule, asked, about["basis"])
        ]
        if found:
            given = about["level"] or ("clinical" if about["basis"] == "luovutuslupa" else "minimal")
            best.append(_lowest(asked, given, found[0]["level"]))
    for basis in asked.agreed_bases:
        found = [rule for rule in rules if rule["needs"] == "agreement" and _speaks(rule, asked, basis)]
        if found:
            best.append(_lowest(asked, "clinical", found[0]["level"]))
    if not any(best):
        return None
    return "clinical" if "clinical" in best else "minimal"


def _speaks(rule: dict[str, str], asked: Request, basis: str) -> bool:
    return (
        rule["event"] == asked.event
        and rule["basis"] == basis
        and rule["register"] == asked.register.value
        and (not rule["senders"] or asked.sender_register.value in rule["senders"].split())
        and asked.purpose in rule["purposes"].split()
    )


def _lowest(asked: Request, *levels: str) -> str:
    agreed = {each.value for each in asked.agreed_levels}
    if "minimal" in (*levels, asked.cap.value):
        return "minimal" if "minimal" in agreed else ""
    return "clinical" if "clinical" in agreed else "minimal"


def random_consent(draw: Draw, number: int) -> dict[str, Any]:
    """A Consent with what the naive judge needs to know of it beside it, under `about`."""
    about: dict[str, Any] = {
        "type": draw.one_of("permit", "permit", "permit", "deny"),
        "basis": draw.one_of(*Basis).value,
        "when": draw.one_of("now", "now", "past", "future"),
        "sender": draw.one_of(None, None, HOSPITAL, OTHER_CLINIC),
        "recipient": draw.one_of(None, CLINIC, CLINIC, OTHER_CLINIC),
        "purpose": draw.one_of(None, None, "TREAT", "HRESCH"),
        "level": draw.one_of(None, "minimal", "clinical"),
        "contents": draw.one_of(None, None, ["notification"], ["client-plan"], ["assessment", "client-plan"]),
        "renewed": draw.share() < 0.3,
        "odd": draw.share() < 0.1,
    }
    start, end = WHEN[about["when"]]
    provision: dict[str, Any] = {"period": {"start": start} | ({"end": end} if end else {})}
    if about["recipient"] and not (about["odd"] and about["type"] == "deny"):
        provision["actor"] = to(about["recipient"])
    if about["purpose"]:
        code = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": about["purpose"]}
        provision["purpose"] = [code]
    if about["level"]:
        provision["extension"] = level(about["level"])
    if about["contents"]:
        names = [each.replace("notification", "procedure-notification") for each in about["contents"]]
        provision["class"] = [{"system": f"{BASE}/CodeSystem/message-event", "code": each} for each in names]
    if about["odd"]:
        provision["dataPeriod"] = {"start": "2020-01-01"}
        if about["type"] == "deny":
            about["recipient"] = None
    made = record(
        about["basis"],
        number,
        type=about["type"],
        provision=provision,
        status=draw.one_of("active", "active", "active", "inactive", "entered-in-error"),
        dateTime=draw.one_of("2022-02-02", "2023-12-31", "2024-01-01", "2025-05-05"),
    )
    if about["sender"]:
        made["organization"] = [{"identifier": {"value": about["sender"]}}]
    if about["renewed"]:
        made["verification"] = [{"verified": True, "verificationDate": "2025-01-01"}]
    return made | {"about": about}


RULE_ROWS = [
    {
        "event": rule.event,
        "basis": rule.basis.value,
        "register": rule.register.value,
        "level": rule.level.value,
        "purposes": " ".join(rule.purposes),
        "needs": rule.needs.value,
        "senders": " ".join(rule.senders),
    }
    for rule in RULES.rows
]


ROLE_ROWS = {role.recipient.value: sorted(role.purposes) for role in RULES.roles}
NARROW = {**ROLE_ROWS, "occupational-health": ["CAREMGT"], "hospital": ["TREAT"], "kela": ["PATRQT"]}
"""Roles of which some receive for less than the lines of their register allow."""
TABLES = (
    (RULES, ROLE_ROWS),
    (
        replace(
            RULES,
            roles=tuple(
                Role(recipient=RecipientClass(each), purposes=frozenset(purposes))
                for each, purposes in NARROW.items()
            ),
        ),
        NARROW,
    ),
)


class Draw:
    """Draws that repeat, quicker than `random.choice`: a hundred thousand Consents are many choices."""

    def __init__(self, seed: int) -> None:
        self.share = random.Random(seed).random  # noqa: S311 - a seed to repeat by

    def one_of(self, *values: Any) -> Any:
        """One of the values; named twice, twice as likely."""
        return values[int(self.share() * len(values))]


CLASSES = (OH, OH, *RecipientClass)
EVENTS = (
    *("procedure-notification", "correction", "work-ability-referral", "cancel"),
    *("assessment", "client-plan") * 2,
)
LEVEL_SETS = tuple(
    frozenset(each) for count in range(3) for each in itertools.combinations(Level, count) for _ in range(2)
)
BASIS_SETS = (
    *[frozenset[str]()] * 2,
    *[frozenset({"statutory"}), frozenset({"purchased-service"})],
    frozenset({"statutory", "purchased-service"}),
)


def _differences(seed: int, consents: int) -> list[Any]:
    """Where the two disagree on so many random Consents, none to four to a request."""
    draw = Draw(seed)
    found = []
    judged = 0
    while judged < consents:
        asked = request(
            draw.one_of(*CLASSES),
            event=draw.one_of(*EVENTS),
            sender_register=draw.one_of(Register.HEALTH, Register.HEALTH, Register.SOCIAL, Register.UNKNOWN),
            purpose=draw.one_of("TREAT", "TREAT", "CAREMGT", "PATRQT", "HMARKT", None),
            evidence=draw.one_of(NAMED, NAMED, NAMED, HISTORY, None),
            cap=draw.one_of(*Level),
            agreed_levels=draw.one_of(*LEVEL_SETS),
            agreed_bases=draw.one_of(*BASIS_SETS),
        )
        own = [random_consent(draw, number) for number in range(draw.one_of(0, 1, 2, 3, 4))]
        judged += len(own)
        rules, roles = draw.one_of(*TABLES)
        answer = decide(asked, *own, rules=rules)
        said = answer.level.value if isinstance(answer, Permit) else None
        if said != naive(asked, own, RULE_ROWS, roles):
            found.append((asked, own, answer))
    return found


SHARDS = 8
"""Parts of the draw, so that the workers of a run share it."""


@pytest.mark.parametrize("shard", range(SHARDS))
def test_an_independent_judge_agrees_on_a_hundred_thousand_consents(shard: int) -> None:
    """10^5 random Consents in all shards together, no difference."""
    assert _differences(20260304 + shard, 100_000 // SHARDS) == []


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_an_independent_judge_agrees_on_a_million_consents(shard: int) -> None:
    """10^6, others than in the quick run."""
    assert _differences(7_000 + shard, 1_000_000 // SHARDS) == []


def test_the_judge_is_independent_enough_to_notice() -> None:
    """With one rule of the table left out of what the judge knows, it disagrees."""
    draw, without = Draw(20260304), [each for each in RULE_ROWS if each["basis"] != "luovutuslupa"]
    disagreed = 0
    for number in range(1_000):
        own = [random_consent(draw, number)]
        answer = decide(request(), *own)
        said = answer.level.value if isinstance(answer, Permit) else None
        disagreed += said != naive(request(), own, without)
    assert disagreed > 2


def test_an_independent_judge_agrees_over_the_whole_table() -> None:
    """Every event, basis, class, sender, level, cap and purpose of the table, no difference."""
    events = sorted({rule.event for rule in RULES.rows})
    senders = (Register.HEALTH, Register.SOCIAL)
    for event, basis, kind, sender, given, cap, purpose in itertools.product(
        events, Basis, RecipientClass, senders, Level, Level, ("TREAT", "CAREMGT", "PATRQT")
    ):
        subject = event if event in ("assessment", "client-plan") else "notification"
        scope = [{"system": f"{BASE}/CodeSystem/message-event", "code": event}]
        about = {
            "type": "permit", "basis": basis.value, "when": "now", "sender": None, "recipient": CLINIC,
            "purpose": None, "level": given.value, "renewed": False, "odd": False, "contents": [subject],
        }  # fmt: skip
        provision = {"actor": to(CLINIC), "extension": level(given), "class": scope}
        own = record(basis, provision=provision) | {"about": about}
        asked = request(kind, event=event, cap=cap, purpose=purpose, sender_register=sender)
        answer = decide(asked, own)

        said = answer.level.value if isinstance(answer, Permit) else None
        assert said == naive(asked, [own], RULE_ROWS), (event, basis, kind, given, cap, purpose)


def test_registers_of_the_table_are_no_employers() -> None:
    """No shipped rule speaks of an employer or of somebody unknown."""
    assert not {rule.register for rule in RULES.rows} & {Register.EMPLOYER, Register.UNKNOWN}
