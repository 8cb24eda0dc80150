"""What is filled in on the reply form: which answers there are, what each asks for, which faults."""

from __future__ import annotations

from datetime import date

import pytest

from adapter.relay.case import CASE_TRANSITIONS, CaseEvent, CaseState
from adapter.relay.feedback import person_of
from adapter.relay.written_reply import FIELDS, FIRST, Filled, may_answer, read

TODAY = date(2026, 3, 10)


def test_five_answers_come_first() -> None:
    """Taken over, agreed, not ours, no capacity, wrong person; nothing can have come back before that."""
    assert may_answer(CaseState.AWAITING_REPLY) == FIRST
    assert len(FIRST) == 5


@pytest.mark.parametrize("case", CaseState)
def test_no_answer_is_offered_that_the_case_cannot_take(case: CaseState) -> None:
    """What a page offers is in the table of the case, and has fields."""
    offered = may_answer(case)

    assert all((case, each) in CASE_TRANSITIONS and each in FIELDS for each in offered)


@pytest.mark.parametrize("case", CaseState)
def test_only_ended_cases_offer_nothing(case: CaseState) -> None:
    """As long as somebody may say something, the page lets them."""
    ended = {CaseState.CLOSED, CaseState.WRONG_PERSON}

    assert bool(may_answer(case)) is (case not in ended)


def test_a_copy_without_a_case_asks_for_no_answer() -> None:
    """Assessments and plans are answered by their next version."""
    assert may_answer(None) == ()


VALUES = [
    ("agree", "review_date", "2026-03-27", date(2026, 3, 27)),
    ("agree", "review_date", "27.3.2026", date(2026, 3, 27)),
    ("agree", "review_date", " 7.4.2026 ", date(2026, 4, 7)),
    ("agree", "review_date", "10.3.2026", TODAY),
    ("agree", "review_date", "9.3.2026", "RF123"),
    ("agree", "review_date", "31.2.2026", "RF121"),
    ("agree", "review_date", "2026-3", "RF121"),
    ("agree", "review_date", "٢٧.٣.٢٠٢٦", "RF121"),
    ("agree", "review_date", "27.3.9999", "RF122"),
    ("agree", "review_date", "99999999999.1.2026", "RF121"),
    ("agree", "review_date", "", "RF120"),
    ("agree", "continues", "us", "us"),
    ("agree", "continues", "sender", "sender"),
    ("agree", "continues", "urn:uuid:somebody", "RF120"),
    ("return", "return_date", "1.1.2026", date(2026, 1, 1)),
    ("return", "return_date", "1.1.2020", "RF122"),
    ("return", "percentage", "60", 60),
    ("return", "percentage", "60 %", 60),
    ("return", "percentage", "100", 100),
    ("return", "percentage", "0", "RF125"),
    ("return", "percentage", "101", "RF125"),
    ("return", "percentage", "-5", "RF125"),
    ("return", "percentage", "6e1", "RF125"),
    ("return", "percentage", "٦٠", "RF125"),
    ("return", "percentage", "", None),
    ("contacted", "contacted_on", "10.3.2026", TODAY),
    ("contacted", "contacted_on", "11.3.2026", "RF124"),
    ("accept", "phone", "+358 40 123 4567", "+358 40 123 4567"),
    ("accept", "phone", "(015) 000 0000", "(015) 000 0000"),
    ("accept", "phone", "1", "RF126"),
    ("accept", "phone", "ask the desk", "RF126"),
    ("accept", "phone", "", "RF120"),
    ("accept", "message", "a\r\nb\x00\x07", "a\nb"),
    ("accept", "message", "x" * 2000, "x" * 2000),
    ("accept", "message", "x" * 2001, "RF127"),
    ("wrong-person", "message", "   ", None),
]
RIGHT = {
    "agree": {"continues": "us", "review_date": "2026-03-27"},
    "return": {"return_date": "2026-03-09"},
    "contacted": {"contacted_on": "2026-03-09"},
    "accept": {"phone": "015 000 0000"},
    "wrong-person": {},
}


@pytest.mark.parametrize(("answer", "name", "typed", "expected"), VALUES)
def test_a_value_is_read_or_its_fault_is_said(answer: str, name: str, typed: str, expected: object) -> None:
    """Each field by its own rule; a fault is a code at the name of the field."""
    found = read(CaseEvent(answer), RIGHT[answer] | {name: typed}, TODAY)

    if isinstance(found, Filled):
        assert getattr(found, name) == expected
    else:
        assert [(issue.code, issue.at) for issue in found] == [(expected, name)]


def test_all_faults_are_said_at_once() -> None:
    """Nobody has to send a form three times to hear of three faults."""
    found = read(CaseEvent.AGREE, {"review_date": "soon", "phone": "?"}, TODAY)

    assert isinstance(found, list)
    assert [issue.at for issue in found] == ["continues", "review_date", "phone"]


def test_what_an_answer_does_not_ask_for_is_passed_over() -> None:
    """A refusal carries no date of return, whatever a browser sends along."""
    found = read(CaseEvent.NOT_OUR_CLIENT, {"return_date": "2026-03-27", "phone": "1"}, TODAY)

    assert found == Filled(reply=CaseEvent.NOT_OUR_CLIENT)


@pytest.mark.parametrize(
    ("uses", "expected"),
    [(["temp"], "0"), (["temp", "official"], "1"), (["official", "old"], "0"), ([], None)],
)
def test_a_person_is_recognised_by_the_official_identifier_or_the_one_there_is(
    uses: list[str], expected: str | None
) -> None:
    """Somebody whose identity code is not known yet can be answered about too."""
    identifiers = [{"use": use, "system": "urn:oid:1.2.3", "value": str(n)} for n, use in enumerate(uses)]
    found = person_of({"resourceType": "Patient", "identifier": identifiers, "name": [{"family": "X"}]})

    assert [each["value"] for each in found["identifier"]] == ([expected] if expected else [])


def test_a_fault_never_holds_what_was_typed() -> None:
    """The texts go to pages and may go to logs."""
    found = read(CaseEvent.ACCEPT, {"phone": "240981-935T"}, TODAY)

    assert isinstance(found, list)
    assert "935T" not in repr(found) + found[0].text("fi") + found[0].help("sv")
