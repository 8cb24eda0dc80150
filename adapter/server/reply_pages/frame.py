"""What every page of the reply form stands in, and how a copy is named on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from adapter.relay import event
from adapter.relay.feedback import BUSINESS_REPLY
from adapter.relay.message import Kind, Meaning
from adapter.relay.narrative.wording import concept
from adapter.relay.offer import Standing
from adapter.server import page
from adapter.server.page import Html, button, el, hide, together
from adapter.server.wording import word

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from adapter.outcome import Issue, Language
    from adapter.relay.case import CaseEvent
    from adapter.relay.store.values import Offer

HOME = "/reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """For whom a page is made."""

    language: Language
    is_test: bool
    zone: ZoneInfo
    token: str
    """What the forms of the page carry."""
    name: str | None = None
    """Of the person who has signed in; None on pages before that."""
    organisation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One offer as a page names it."""

    offer: Offer
    standing: Standing
    reference: str
    sender: str
    """Name of who sent it."""


def whole(viewer: Viewer, title: str, *inside: str | None) -> str:
    """Return a page with who has signed in above it."""
    return page.page(title, *inside, language=viewer.language, is_test=viewer.is_test, head=_head(viewer))


def _head(viewer: Viewer) -> Html:
    language = viewer.language
    if viewer.name is None:
        links = (
            el("a", name, href=f"{HOME}/sign-in?language={each}", lang=each, hreflang=each)
            for each, name in page.LANGUAGES.items()
        )
        return el("nav", *links, class_="languages", aria_label=word("page", "language", language))
    choices = (
        el(
            "form",
            hide("token", viewer.token),
            hide("language", each),
            el("button", name, type="submit", lang=each, aria_current="true" if each == language else None),
            method="post",
            action=f"{HOME}/language",
        )
        for each, name in page.LANGUAGES.items()
    )
    return together(
        el("nav", *choices, class_="languages", aria_label=word("page", "language", language)),
        el(
            "div",
            el("span", word("page", "signed-in", language).format(name=viewer.name)),
            button(word("page", "sign-out", language), f"{HOME}/sign-out", viewer.token),
            class_="who",
        ),
    )


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Write a moment as it is written in Finland."""
    local = at.astimezone(zone)
    return f"{local.day}.{local.month}.{local.year} {local:%H:%M}"


def last_day(due: datetime, zone: ZoneInfo) -> str:
    """Write the last day before a moment: what is due at midnight is due the day before."""
    local = (due - timedelta(seconds=1)).astimezone(zone)
    return f"{local.day}.{local.month}.{local.year}"


def address(offer: Offer) -> str:
    """Return the address of the page of one copy: of its id, which tells nothing."""
    return f"{HOME}/{offer.delivery}"


def kind_of(offer: Offer, language: Language) -> str:
    """Say what a copy is."""
    if offer.kind is not Kind.NOTIFICATION:
        return word("kind", offer.kind.value, language)
    if offer.event in (event.ASSESSMENT, event.CLIENT_PLAN, event.WORK_ABILITY_REFERRAL):
        return word("kind", str(offer.event), language)
    is_corrected = offer.meaning is Meaning.UPDATE or offer.event == event.CORRECTION
    return word("kind", "correction" if is_corrected else "notification", language)


def title_of(line: Line, language: Language) -> str:
    """Return what a copy is called: kind and reference."""
    return word("one", "title", language).format(kind=kind_of(line.offer, language), reference=line.reference)


def waits_for_answer(line: Line) -> bool:
    """Return True for an opened copy whose case nobody has answered."""
    is_open = line.offer.case is not None and line.offer.case.value == "awaiting-reply"
    return line.standing is Standing.OPENED and is_open


def state_of(line: Line, language: Language) -> str:
    """Say where the case of a copy is, or the copy itself where there is none."""
    if line.standing is Standing.OPENED and line.offer.case is not None:
        return word("case", line.offer.case.value, language)
    return word("standing", line.standing.value, language)


def reply_word(reply: CaseEvent, language: Language) -> str:
    """Say an answer, as our code system has it."""
    return concept({"coding": [{"system": BUSINESS_REPLY, "code": reply.value}]}, language)


def to_list(viewer: Viewer) -> Html:
    """Return the way back to the list."""
    return el("p", el("a", word("page", "back", viewer.language), href=HOME))


def fault_of(issue: Issue, language: Language) -> Html:
    """Return what did not go and what to do, as it is read out at once."""
    return el(
        "div", el("p", issue.text(language)), el("p", issue.help(language)), class_="faults", role="alert"
    )


def refusal(viewer: Viewer, issue: Issue, *, title: str | None = None) -> str:
    """Return a page that says what did not go, and what to do."""
    language = viewer.language
    return whole(
        viewer,
        title or word("page", "error", language),
        fault_of(issue, language),
        to_list(viewer) if viewer.name is not None else None,
    )


def not_found(viewer: Viewer) -> str:
    """Return the page for what is not there, or not theirs."""
    language = viewer.language
    return whole(
        viewer,
        word("page", "not-found", language),
        el("p", word("page", "not-found-help", language)),
        to_list(viewer),
    )
