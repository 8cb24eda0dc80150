"""Message categories: what it means that a message comes late or twice. FHIR R4 MessageDefinition.category.

The category of an event is that of its shipped MessageDefinition. No category lets a message be processed
twice here (`duplicates`); what they differ in is told by `RULES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from adapter import fhir
from adapter.shipped import folder


class Category(StrEnum):
    """What a message is for. R4 message-significance-category."""

    CONSEQUENCE = "consequence"
    """It changes something at the receiver: never to be done twice."""
    CURRENCY = "currency"
    """It says how something stands: wrong once it is late."""
    NOTIFICATION = "notification"
    """It tells of something: late or twice does no harm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a category asks of our own sending."""

    may_be_late: bool
    """False if a copy that could not be sent while it was tried is of no use afterwards."""
    may_go_twice: bool
    """False if a copy that may have arrived waits for a person, unless the partner knows a repeat."""


RULES: dict[Category, Rule] = {
    Category.CONSEQUENCE: Rule(may_be_late=True, may_go_twice=False),
    Category.CURRENCY: Rule(may_be_late=False, may_go_twice=True),
    Category.NOTIFICATION: Rule(may_be_late=True, may_go_twice=True),
}


def rule_of(event: str | None) -> Rule:
    """Return the rule for an event of our message-event system; an event without definition is told only."""
    return RULES[_categories().get(event or "", Category.NOTIFICATION)]


@cache
def _categories() -> dict[str, Category]:
    """Return the category of each event that has a shipped MessageDefinition."""
    found = {}
    for path in sorted((folder("profiles") / "messagedefinitions").glob("*.json")):
        said = fhir.decode(path.read_bytes(), "application/fhir+json")
        found[said["eventCoding"]["code"]] = Category(said["category"])
    return found
