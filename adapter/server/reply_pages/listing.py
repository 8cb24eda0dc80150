"""The list of what waits and what was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.relay.offer import Standing
from adapter.server.page import Html, el, together
from adapter.server.reply_pages.frame import (
    Line,
    Viewer,
    address,
    kind_of,
    last_day,
    moment,
    state_of,
    waits_for_answer,
    whole,
)
from adapter.server.wording import word

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


def listing(viewer: Viewer, lines: Sequence[Line], now: datetime) -> str:
    """Return the list of what waits and what was."""
    language = viewer.language
    to_open = [line for line in lines if line.standing is Standing.WAITS]
    to_answer = [line for line in lines if waits_for_answer(line)]
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
    due = offer.reply_due if waits_for_answer(line) else None
    is_late = due is not None and due <= now
    cells = {
        "reference": line.reference,
        "what": kind_of(offer, language),
        "from": line.sender,
        "arrived": moment(offer.created_at, viewer.zone),
        "due": el("span", last_day(due, viewer.zone), class_="late" if is_late else None) if due else "",
        "state": state_of(line, language),
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
