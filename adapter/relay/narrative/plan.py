"""A shared client plan in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.relay.element import child, children, codes, text
from adapter.relay.narrative.phrase import day, of_type, person
from adapter.relay.narrative.wording import concept, known, label, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter.outcome import Language
    from adapter.relay.element import Element


def rows(
    resources: Sequence[Element], language: Language, *, sender: str | None, basis: str | None
) -> Iterator[tuple[str, str]]:
    """Yield label and value of each row, in the order they are read."""
    for patient in of_type(resources, "Patient"):
        yield "who", person(patient, language)
    if sender:
        yield "from", sender
    plans = list(of_type(resources, "CarePlan"))
    for plan in plans:
        yield "plan", _plan(plan, language)
    for team in of_type(resources, "CareTeam"):
        for participant in children(team, "participant"):
            if name := _coordinator(participant):
                yield "coordinator", name
    if goals := "; ".join(
        concept(child(goal, "description"), language).rstrip(".") for goal in of_type(resources, "Goal")
    ):
        yield "goals", goals
    agreed = [_activity(each, language) for plan in plans for each in children(plan, "activity")]
    if acts := "; ".join(each for each in agreed if each):
        yield "agreed", acts
    for plan in plans:
        for extension in children(plan, "extension"):
            if reviewed := text(extension, "valueDate"):
                yield "next-review", day(reviewed)
    if basis:
        yield "basis", said("basis", basis, language)
    yield "left-out", label("rest-of-plan", language)


def _plan(plan: Element, language: Language) -> str:
    """Kind or title of a plan, and until when it holds."""
    kinds = (concept(each, language) for each in children(plan, "category"))
    named = text(plan, "title") or next((each for each in kinds if each), "")
    period = child(plan, "period")
    days = f"{day(text(period, 'start'))}–{day(text(period, 'end'))}"
    return ", ".join(each for each in (named, days if days != "–" else "") if each)


def _coordinator(participant: Element) -> str | None:
    """Name of a participant who coordinates, and of the organisation behind; None for any other."""
    roles = [code for role in children(participant, "role") for _, code in codes(role)]
    if "coordinator" not in roles:
        return None
    names = (text(child(participant, name), "display") for name in ("member", "onBehalfOf"))
    return ", ".join(each for each in names if each) or None


def _activity(activity: Element, language: Language) -> str:
    detail = child(activity, "detail")
    what = concept(child(detail, "code"), language) or text(detail, "description") or ""
    status = known("activity", text(detail, "status") or "", language)
    return f"{what} ({status})" if what and status else what
