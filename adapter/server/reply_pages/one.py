"""The page of one copy: before it is opened, opened, and when nothing of it is shown any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhir.canonical import profile
from adapter.relay.narrative.phrase import day as day_of
from adapter.server import page
from adapter.server.page import Html, button, el, together
from adapter.server.reply_pages.frame import (
    Line,
    Viewer,
    address,
    last_day,
    moment,
    reply_word,
    state_of,
    title_of,
    to_list,
    waits_for_answer,
    whole,
)
from adapter.server.wording import word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from adapter.outcome import Language
    from adapter.relay.case import CaseEvent
    from adapter.relay.feedback import Feedback

LABEL_OF_EXTENSION = {
    profile("review-date"): "review_date",
    profile("return-date"): "return_date",
    profile("contacted-on"): "contacted_on",
    profile("return-percentage"): "percentage",
}


def before_opening(viewer: Viewer, line: Line) -> str:
    """Return the page of a copy that nobody has opened: nothing of it, and a button."""
    language = viewer.language
    return whole(
        viewer,
        title_of(line, language),
        _facts(viewer, line),
        el("p", word("one", "before", language).format(sender=line.sender)),
        button(word("one", "open", language), f"{address(line.offer)}/open", viewer.token),
        to_list(viewer),
    )


def without_content(viewer: Viewer, line: Line, newer: Line | None) -> str:
    """Return the page of a copy of which nothing is shown any more. `newer`: what stands in its place."""
    language = viewer.language
    link = (
        el("a", f"{word('one', 'newer', language)}: {title_of(newer, language)}", href=address(newer.offer))
        if newer is not None
        else None
    )
    return whole(
        viewer,
        title_of(line, language),
        _facts(viewer, line),
        el("p", word("one", line.standing.value, language), class_="faults"),
        el("p", link) if link else None,
        _to_answers(viewer, line) if line.offer.case is not None else None,
        to_list(viewer),
    )


def opened(
    viewer: Viewer, line: Line, divs: Sequence[str], answers: Sequence[CaseEvent], extra: Html | None = None
) -> str:
    """Return the page that shows a copy. `divs`: its narratives; `answers`: what may be answered now."""
    language = viewer.language
    shown = (page.narrative(div) for div in divs)
    return whole(
        viewer,
        title_of(line, language),
        _facts(viewer, line),
        el("h2", word("one", "content", language)),
        el("div", *shown, extra, class_="narrative"),
        el("h2", word("one", "answer", language)),
        _choices(line, answers, language) if answers else el("p", word("one", "nothing-to-answer", language)),
        _to_answers(viewer, line) if line.offer.case is not None else None,
        to_list(viewer),
    )


def told_back(said: Feedback, name_of: Callable[[str], str | None], language: Language) -> Html:
    """Return a business reply as rows: for a hospital whose people read here."""
    rows = [(reply_word(said.reply, language), "")] if said.reply is not None else []
    if said.continues is not None:
        rows.append((word("label", "continues", language), name_of(said.continues) or said.continues))
    for each in said.dates:
        name = LABEL_OF_EXTENSION[each["url"]]
        value = each.get("valueDate")
        rows.append((word("label", name, language), day_of(value) if value else f"{each['valueInteger']} %"))
    if said.contact is not None:
        rows.append((word("label", "phone", language), str(said.contact["value"])))
    rows += [(word("label", "message", language), text) for text in said.texts]
    made = (el("tr", el("th", name, scope="row"), el("td", value)) for name, value in rows)
    return el("table", el("tbody", *made))


def _facts(viewer: Viewer, line: Line) -> Html:
    language, offer = viewer.language, line.offer
    pairs = [
        (word("list", "from", language), line.sender),
        (word("list", "arrived", language), moment(offer.created_at, viewer.zone)),
        (word("list", "state", language), state_of(line, language)),
    ]
    if waits_for_answer(line) and offer.reply_due is not None:
        pairs.append((word("list", "due", language), last_day(offer.reply_due, viewer.zone)))
    return el("dl", *(together(el("dt", name), el("dd", value)) for name, value in pairs))


def _choices(line: Line, answers: Iterable[CaseEvent], language: Language) -> Html:
    links = (
        el(
            "li",
            el(
                "a",
                reply_word(each, language),
                el("span", word("answer", each.value, language)),
                href=f"{address(line.offer)}/answer/{each.value}",
                class_="button",
            ),
        )
        for each in answers
    )
    return together(el("p", word("one", "answer-help", language)), el("ul", *links, class_="choices"))


def _to_answers(viewer: Viewer, line: Line) -> Html:
    link = el("a", word("one", "to-answers", viewer.language), href=f"{address(line.offer)}/answers")
    return el("p", link)
