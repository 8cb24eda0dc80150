"""The narrative of a copy: one screen a person reads, written anew from the copy and from nothing else.

Who, what happened, leave until when, what is asked, who continues, whom to call, on what ground, and what was
left out; in the language of the recipient. All words stand in `tables/narrative.toml`.
"""

from __future__ import annotations

import html
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from adapter.relay.message import Meaning
from adapter.relay.narrative import assessment, notification, plan, wording
from adapter.relay.narrative.told import Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from adapter.outcome import Language
    from adapter.relay.element import Element

__all__ = ["Told", "as_text", "of_assessment", "of_notification", "of_plan"]


def of_notification(resources: Sequence[Element], told: Told) -> dict[str, str]:
    """Return the Narrative of a copy's Communication, `resources` being the copy's own.

    R4 Narrative, status generated; XHTML without links, images or styles.
    """
    title = "cancel" if told.meaning is Meaning.CANCEL else told.level.value
    return _narrative(title, notification.leads(told), notification.rows(resources, told), told.language)


def of_plan(
    resources: Sequence[Element],
    language: Language,
    *,
    sender: str | None,
    basis: str | None,
    meaning: Meaning = Meaning.DONE,
) -> dict[str, str]:
    """Return the Narrative of a copy's CarePlan, `resources` being the copy's own; see `of_notification`.

    Our own codes are said by their designations, others by the words or the code that stand there.
    """
    rows = plan.rows(resources, language, sender=sender, basis=basis)
    return _narrative("plan", _changed(meaning, language), rows, language)


def of_assessment(resources: Sequence[Element], panel: Element, told: Told) -> dict[str, str]:
    """Return the Narrative of a copy's assessment, `resources` being the copy's own; see `of_notification`.

    `panel`: the assessment itself among them.
    """
    language = told.language
    rows = assessment.rows(resources, panel, told)
    return _narrative("assessment", _changed(told.meaning, language), rows, language)


def _changed(meaning: Meaning, language: Language) -> Iterator[str]:
    if meaning is Meaning.CANCEL:
        yield wording.label("no-longer", language)
    elif meaning is Meaning.UPDATE:
        yield wording.label("newer", language)


def _narrative(
    title: str, leads: Iterable[str], rows: Iterable[tuple[str, str]], language: Language
) -> dict[str, str]:
    paragraphs = [f"<p><b>{html.escape(wording.title(title, language))}</b></p>"]
    paragraphs += [f"<p>{html.escape(lead)}</p>" for lead in leads]
    body = "".join(
        f"<tr><th>{html.escape(wording.label(name, language))}</th><td>{html.escape(value)}</td></tr>"
        for name, value in rows
    )
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{language}" xml:lang="{language}">'
        f"{''.join(paragraphs)}<table><tbody>{body}</tbody></table></div>",
    }


def as_text(div: str) -> str:
    """Return a narrative as lines of text: one for each paragraph and row, a row as `label: value`."""
    lines = _Lines()
    lines.feed(div)
    lines.close()
    return "".join(f"{line}\n" for line in lines.lines if line)


class _Lines(HTMLParser):
    """Reads the lines out of XHTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines = [""]

    def handle_data(self, data: str) -> None:
        """Add text to the line."""
        self.lines[-1] += data

    def handle_endtag(self, tag: str) -> None:
        """End a label or a line."""
        if tag == "th":
            self.lines[-1] += ": "
        elif tag in ("p", "tr", "li", "div"):
            self.lines.append("")
