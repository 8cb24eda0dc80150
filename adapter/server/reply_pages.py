"""What the pages of the reply form look like: values in, markup out.

No page names a patient but the one that shows a copy, and that in its content alone: titles, addresses and
the list have a short reference instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from adapter.fhir.canonical import profile
from adapter.outcome import Issue
from adapter.relay import event
from adapter.relay.case import CaseEvent
from adapter.relay.feedback import BUSINESS_REPLY
from adapter.relay.message import DeliveryState, Kind, Meaning
from adapter.relay.narrative.phrase import day as day_of
from adapter.relay.narrative.wording import concept
from adapter.relay.offer import Standing
from adapter.relay.written_reply import CONTINUERS, FIELDS, SENDER, US
from adapter.server import page
from adapter.server.page import Html, button, el, hide, together
from adapter.server.wording import word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from adapter.outcome import Language
    from adapter.relay.feedback import Feedback
    from adapter.relay.store.values import FormReply, Offer
    from adapter.relay.written_reply import Field

HOME = "/reply"
LABEL_OF_EXTENSION = {
    profile("review-date"): "review_date",
    profile("return-date"): "return_date",
    profile("contacted-on"): "contacted_on",
    profile("return-percentage"): "percentage",
}


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


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Write a moment as it is written in Finland."""
    local = at.astimezone(zone)
    return f"{local.day}.{local.month}.{local.year} {local:%H:%M}"


def last_day(due: datetime, zone: ZoneInfo) -> str:
    """Write the last day before a moment: what is due at midnight is due the day before."""
    local = (due - timedelta(seconds=1)).astimezone(zone)
    return f"{local.day}.{local.month}.{local.year}"


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


# Signing in -----------------------------------------------------------------------------------------------


def sign_in(viewer: Viewer, fault: Issue | None = None, name: str = "", *, is_out: bool = False) -> str:
    """Return the page to sign in on. `name`: what was typed before; the password never comes back."""
    language = viewer.language
    said = _fault(fault, language) if fault is not None else None
    is_wrong = "true" if fault is not None else None
    return whole(
        viewer,
        word("sign-in", "title", language),
        el("p", word("sign-in", "out", language), class_="said", role="status") if is_out else None,
        said,
        el(
            "form",
            hide("token", viewer.token),
            hide("language", language),
            el(
                "div",
                el("label", word("sign-in", "user", language), for_="user"),
                el(
                    "input",
                    type="text",
                    id="user",
                    name="user",
                    value=name,
                    autocomplete="username",
                    autocapitalize="none",
                    spellcheck="false",
                    required=True,
                    aria_invalid=is_wrong,
                ),
                class_="field",
            ),
            el(
                "div",
                el("label", word("sign-in", "password", language), for_="password"),
                el(
                    "input",
                    type="password",
                    id="password",
                    name="password",
                    autocomplete="current-password",
                    required=True,
                    aria_invalid=is_wrong,
                ),
                class_="field",
            ),
            el("button", word("sign-in", "button", language), type="submit"),
            method="post",
            action=f"{HOME}/sign-in",
        ),
    )


def refusal(viewer: Viewer, issue: Issue, *, title: str | None = None) -> str:
    """Return a page that says what did not go, and what to do."""
    language = viewer.language
    return whole(
        viewer,
        title or word("page", "error", language),
        _fault(issue, language),
        _to_list(viewer) if viewer.name is not None else None,
    )


def not_found(viewer: Viewer) -> str:
    """Return the page for what is not there, or not theirs."""
    language = viewer.language
    return whole(
        viewer,
        word("page", "not-found", language),
        el("p", word("page", "not-found-help", language)),
        _to_list(viewer),
    )


def _to_list(viewer: Viewer) -> Html:
    return el("p", el("a", word("page", "back", viewer.language), href=HOME))


def _fault(issue: Issue, language: Language) -> Html:
    return el(
        "div", el("p", issue.text(language)), el("p", issue.help(language)), class_="faults", role="alert"
    )


# The list -------------------------------------------------------------------------------------------------


def listing(viewer: Viewer, lines: Sequence[Line], now: datetime) -> str:
    """Return the list of what waits and what was."""
    language = viewer.language
    to_open = [line for line in lines if line.standing is Standing.WAITS]
    to_answer = [line for line in lines if _waits_for_answer(line)]
    rest = [line for line in lines if line not in to_open and line not in to_answer]
    parts = (("to-open", to_open), ("to-answer", to_answer), ("rest", rest))
    return whole(
        viewer,
        word("list", "title", language).format(organisation=viewer.organisation),
        el("p", word("list", "explained", language)),
        *(
            together(el("h2", word("list", name, language), id=name), _table(viewer, name, some, now))
            for name, some in parts
        ),
    )


def _waits_for_answer(line: Line) -> bool:
    is_open = line.offer.case is not None and line.offer.case.value == "awaiting-reply"
    return line.standing is Standing.OPENED and is_open


def _table(viewer: Viewer, name: str, lines: Sequence[Line], now: datetime) -> Html:
    language = viewer.language
    if not lines:
        return el("p", word("list", "none", language))
    columns = ("reference", "what", "from", "arrived", "due", "state", "act")
    heads = (el("th", word("list", each, language), scope="col", role="columnheader") for each in columns)
    return el(
        "table",
        el("thead", el("tr", *heads, role="row"), role="rowgroup"),
        el("tbody", *(_row(viewer, line, now) for line in lines), role="rowgroup"),
        class_="list",
        role="table",
        aria_labelledby=name,
    )


def _row(viewer: Viewer, line: Line, now: datetime) -> Html:
    language, offer = viewer.language, line.offer
    due = offer.reply_due if _waits_for_answer(line) else None
    is_late = due is not None and due <= now
    cells = {
        "reference": line.reference,
        "what": kind_of(offer, language),
        "from": line.sender,
        "arrived": moment(offer.created_at, viewer.zone),
        "due": el("span", last_day(due, viewer.zone), class_="late" if is_late else None) if due else "",
        "state": _state(line, language),
        "act": _act(viewer, line),
    }
    made = (
        el(
            "td",
            value,
            role="cell",
            class_="act" if name == "act" else None,
            data_label=word("list", name, language),
        )
        for name, value in cells.items()
    )
    return el("tr", *made, role="row")


def _act(viewer: Viewer, line: Line) -> Html:
    language = viewer.language
    if line.standing is Standing.WAITS:
        label = word("list", "open", language)
        named = word("list", "which", language).format(act=label, reference=line.reference)
        return el("a", label, href=address(line.offer), aria_label=named, class_="button")
    label = word("list", "read", language)
    named = word("list", "which", language).format(act=label, reference=line.reference)
    return el("a", label, href=address(line.offer), aria_label=named)


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


def _state(line: Line, language: Language) -> str:
    if line.standing is Standing.OPENED and line.offer.case is not None:
        return word("case", line.offer.case.value, language)
    return word("standing", line.standing.value, language)


# One copy -------------------------------------------------------------------------------------------------


def before_opening(viewer: Viewer, line: Line) -> str:
    """Return the page of a copy that nobody has opened: nothing of it, and a button."""
    language = viewer.language
    return whole(
        viewer,
        title_of(line, language),
        _facts(viewer, line),
        el("p", word("one", "before", language).format(sender=line.sender)),
        button(word("one", "open", language), f"{address(line.offer)}/open", viewer.token),
        _to_list(viewer),
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
        _to_list(viewer),
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
        _to_list(viewer),
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


def title_of(line: Line, language: Language) -> str:
    """Return what a copy is called: kind and reference."""
    return word("one", "title", language).format(kind=kind_of(line.offer, language), reference=line.reference)


def _facts(viewer: Viewer, line: Line) -> Html:
    language, offer = viewer.language, line.offer
    pairs = [
        (word("list", "from", language), line.sender),
        (word("list", "arrived", language), moment(offer.created_at, viewer.zone)),
        (word("list", "state", language), _state(line, language)),
    ]
    if _waits_for_answer(line) and offer.reply_due is not None:
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


def reply_word(reply: CaseEvent, language: Language) -> str:
    """Say an answer, as our code system has it."""
    return concept({"coding": [{"system": BUSINESS_REPLY, "code": reply.value}]}, language)


def _to_answers(viewer: Viewer, line: Line) -> Html:
    link = el("a", word("one", "to-answers", viewer.language), href=f"{address(line.offer)}/answers")
    return el("p", link)


# An answer ------------------------------------------------------------------------------------------------


def answering(
    viewer: Viewer,
    line: Line,
    reply: CaseEvent,
    form: str,
    given: Mapping[str, str],
    faults: Sequence[Issue] = (),
) -> str:
    """Return the form of an answer. `given`: what was typed before; `faults`: each at the name of a field."""
    language = viewer.language
    wrong = {str(fault.at): fault.text(language) for fault in faults}
    titled = word("answer", "title", language)
    fields = (_field(viewer, line, asked, given.get(asked.name, ""), wrong) for asked in FIELDS[reply])
    return whole(
        viewer,
        titled.format(reply=reply_word(reply, language), reference=line.reference),
        _summary(FIELDS[reply], wrong, language) if wrong else None,
        el("p", word("answer", reply.value, language)),
        el(
            "form",
            hide("token", viewer.token),
            hide("form", form),
            *fields,
            el("button", word("answer", "send", language), type="submit"),
            method="post",
            action=f"{address(line.offer)}/answer/{reply.value}",
            novalidate=True,
        ),
        el(
            "p",
            el(
                "a",
                word("one", "back", language).format(reference=line.reference),
                href=address(line.offer),
            ),
        ),
    )


def _summary(asked: Sequence[Field], wrong: Mapping[str, str], language: Language) -> Html:
    links = (
        el(
            "li",
            el("a", f"{word('label', each.name, language)}: {wrong[each.name]}", href=f"#{_id_of(each)}"),
        )
        for each in asked
        if each.name in wrong
    )
    heading = el("h2", word("page", "faults", language), id="faults")
    return el(
        "div",
        heading,
        el("ul", *links),
        class_="faults",
        role="alert",
        aria_labelledby="faults",
        tabindex="-1",
        autofocus=True,
    )


def _id_of(asked: Field) -> str:
    return f"{asked.name}-{CONTINUERS[0]}" if asked.name == "continues" else asked.name


def _field(viewer: Viewer, line: Line, asked: Field, typed: str, wrong: Mapping[str, str]) -> Html:
    if asked.name == "continues":
        return _continuers(viewer, line, asked, typed, wrong)
    language, name = viewer.language, asked.name
    described = (f"{name}-wrong" if name in wrong else None, f"{name}-hint")
    common: dict[str, str | bool | None] = {
        "id": name,
        "name": name,
        "aria_invalid": "true" if name in wrong else None,
        "aria_describedby": " ".join(each for each in described if each),
        "aria_required": "true" if asked.is_required else None,
        "autocomplete": "off",
    }
    if name == "message":
        box = el("textarea", typed, rows="6", **common)
    else:
        kinds = {"phone": "tel", "percentage": "text"}
        mode = "numeric" if name == "percentage" else None
        box = el("input", type=kinds.get(name, "text"), value=typed, inputmode=mode, **common)
    return el(
        "div",
        el("label", f"{word('label', name, language)} ", _need(asked, language), for_=name),
        el("p", word("hint", name, language), class_="hint", id=f"{name}-hint"),
        el("p", wrong[name], class_="wrong", id=f"{name}-wrong") if name in wrong else None,
        box,
        class_="field",
    )


def _need(asked: Field, language: Language) -> Html:
    need = word("answer", "required" if asked.is_required else "optional", language)
    return el("span", f"({need})", class_="need")


def _continuers(viewer: Viewer, line: Line, asked: Field, typed: str, wrong: Mapping[str, str]) -> Html:
    language, name = viewer.language, asked.name
    who = {US: viewer.organisation, SENDER: line.sender}
    choices = (
        el(
            "div",
            el(
                "input",
                type="radio",
                id=f"{name}-{each}",
                name=name,
                value=each,
                checked=typed == each,
                aria_describedby=f"{name}-wrong" if name in wrong else None,
            ),
            el(
                "label",
                word("label", each, language).format(organisation=who[each]),
                for_=f"{name}-{each}",
            ),
            class_="choice",
        )
        for each in CONTINUERS
    )
    return el(
        "fieldset",
        el("legend", f"{word('label', name, language)} ", _need(asked, language)),
        el("p", wrong[name], class_="wrong", id=f"{name}-wrong") if name in wrong else None,
        *choices,
    )


def answers(
    viewer: Viewer,
    line: Line,
    given: Sequence[FormReply],
    name_of: Callable[[str], str],
    *,
    is_sent: bool,
) -> str:
    """Return what was answered to a copy and how far each answer has come; nothing of its content."""
    language = viewer.language
    newest = given[0] if given else None
    return whole(
        viewer,
        f"{word('one', 'told', language)}: {line.reference}",
        el("p", word("one", "told-sent", language), class_="said", role="status") if is_sent else None,
        _withheld(line, newest, language) if newest is not None else None,
        el("ul", *(el("li", _given(viewer, each, name_of)) for each in given))
        if given
        else el("p", word("one", "told-none", language)),
        el("p", f"{word('one', 'state', language)}: {_state(line, language)}"),
        el(
            "p",
            el("a", word("one", "back", language).format(reference=line.reference), href=address(line.offer)),
        ),
        _to_list(viewer),
    )


def _withheld(line: Line, newest: FormReply, language: Language) -> Html | None:
    if newest.state is not DeliveryState.WITHHELD:
        return None
    reason = Issue(newest.reason or "PN402").text(language)
    said = word("one", "told-withheld", language).format(sender=line.sender, reason=reason)
    return el("p", said, class_="faults", role="alert")


def _given(viewer: Viewer, one: FormReply, name_of: Callable[[str], str]) -> str:
    language = viewer.language
    return word("one", "told-one", language).format(
        reply=reply_word(CaseEvent(one.reply), language) if one.reply else "",
        at=moment(one.sent_at, viewer.zone),
        name=name_of(one.person),
        fate=word("fate", one.state.value, language) if one.state else "",
    )
