"""The form of an answer, and what was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.outcome import Issue
from adapter.relay.case import CaseEvent
from adapter.relay.message import DeliveryState
from adapter.relay.written_reply import CONTINUERS, FIELDS, SENDER, US
from adapter.server.page import Html, el, hide
from adapter.server.reply_pages.frame import (
    Line,
    Viewer,
    address,
    moment,
    reply_word,
    state_of,
    to_list,
    whole,
)
from adapter.server.wording import word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from adapter.outcome import Language
    from adapter.relay.store.values import FormReply
    from adapter.relay.written_reply import Field


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
        el("p", f"{word('one', 'state', language)}: {state_of(line, language)}"),
        el(
            "p",
            el("a", word("one", "back", language).format(reference=line.reference), href=address(line.offer)),
        ),
        to_list(viewer),
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
