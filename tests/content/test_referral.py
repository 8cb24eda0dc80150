"""A referral travels as a notification: the copies of one are right at both levels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapter.relay import disclosure
from adapter.relay.message import Level
from adapter.shipped import folder
from tests.content.conftest import read
from tests.relay.test_disclosure import ENVELOPE

if TYPE_CHECKING:
    from adapter.validation.validator import Validator

REFERRAL = read(folder("fixtures") / "examples" / "referral-message.json")
ENVELOPE_OF_A_REFERRAL = replace(ENVELOPE, event="work-ability-referral")


@pytest.mark.parametrize("level", list(Level))
def test_a_copy_of_a_referral_holds_to_its_profiles(level: Level, validator: Validator) -> None:
    """What the recipient gets of a referral breaks no rule, however little it is."""
    copy = disclosure.copy_for(REFERRAL, level, ENVELOPE_OF_A_REFERRAL)

    assert [(issue.code, issue.at) for issue in validator.validate(copy) if issue.is_error] == []


def test_the_copy_still_says_that_it_is_a_referral() -> None:
    """The request goes as an order, with what is asked first."""
    copy = disclosure.copy_for(REFERRAL, Level.CLINICAL, ENVELOPE_OF_A_REFERRAL)

    requests = [
        entry["resource"] for entry in copy["entry"] if entry["resource"]["resourceType"] == "ServiceRequest"
    ]

    assert [(each["intent"], each["code"]["coding"][0]["code"]) for each in requests] == [
        ("order", "continue-sick-leave")
    ]
