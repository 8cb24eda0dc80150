"""Pages in HTML: built as elements, so that no text can become markup.

Whatever is put into an element is escaped, unless it is an element itself. There is no script and no inline
style; the policy that every page carries would refuse both.
"""

from __future__ import annotations

import html
from html.parser import HTMLParser
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import Response

from adapter.server.wording import word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from adapter.outcome import Language

POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""On every page, beside what `door.ANSWER_HEADERS` puts on every answer."""
HTTPS_ONLY = {"Strict-Transport-Security": "max-age=31536000"}
"""RFC 6797; where people come by https."""
STYLE = "/reply/style.css"
LANGUAGES: Mapping[Language, str] = {"fi": "Suomi", "sv": "Svenska", "en": "English"}
_WITHOUT_END = frozenset({"input", "meta", "link", "br"})


class Html(str):
    """Markup that is safe to send as it stands."""

    __slots__ = ()


def el(tag: str, /, *inside: str | None, **attributes: str | bool | None) -> Html:
    """Return an element. What is inside is escaped unless it is Html; None is left out.

    `class_` and `for_` stand for what Python keeps for itself, `_` for a hyphen; True for an attribute
    without a value, False and None for none.
    """
    said = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{html.escape(value)}"')
        for name, value in attributes.items()
        if value is not None and value is not False and (value is True or isinstance(value, str))
    )
    if tag in _WITHOUT_END:
        return Html(f"<{tag}{said}>")
    return Html(f"<{tag}{said}>{together(*inside)}</{tag}>")


def together(*inside: str | None) -> Html:
    """Return things side by side."""
    return Html("".join(each if isinstance(each, Html) else html.escape(each) for each in inside if each))


def button(label: str, action: str, token: str, *, name: str | None = None, **hidden: str) -> Html:
    """Return a form that is one button. `token`: proves that the request comes from our page."""
    return el(
        "form",
        hide("token", token),
        *(hide(key, value) for key, value in hidden.items()),
        el("button", label, type="submit", aria_label=name),
        method="post",
        action=action,
    )


def hide(name: str, value: str) -> Html:
    """Return a field that people do not see."""
    return el("input", type="hidden", name=name, value=value)


def page(title: str, *inside: str | None, language: Language, is_test: bool, head: Html | None = None) -> str:
    """Return a whole page. `head`: what stands above the content: who has signed in, languages."""
    return "<!doctype html>" + el(
        "html",
        el(
            "head",
            el("meta", charset="utf-8"),
            el("title", f"{title} – {word('page', 'name', language)}"),
            el("meta", name="viewport", content="width=device-width, initial-scale=1"),
            el("meta", name="robots", content="noindex, nofollow"),
            el("link", rel="stylesheet", href=STYLE),
        ),
        el(
            "body",
            el("a", word("page", "skip", language), href="#content", class_="skip"),
            el("p", word("page", "test", language), class_="test") if is_test else None,
            el("header", head) if head else None,
            el("main", el("h1", title), *inside, id="content", tabindex="-1"),
        ),
        lang=language,
    )


def respond(text: str, status: int, *, is_https: bool, headers: Mapping[str, str] | None = None) -> Response:
    """Return a page as an answer."""
    more = {**HEADERS, **(HTTPS_ONLY if is_https else {}), **(headers or {})}
    return Response(text, status, more, media_type="text/html")


def style() -> bytes:
    """Return the style sheet of the pages."""
    return (files("adapter.server") / "reply-form.css").read_bytes()


# A narrative as part of a page ----------------------------------------------------------------------------

_SHOWN = frozenset({"p", "b", "i", "em", "strong", "ul", "ol", "li", "table", "tbody", "tr", "th", "td"})
"""Elements a narrative may consist of; they lose their attributes, all others lose themselves."""
_UNSAID = frozenset({"script", "style", "title", "textarea", "template", "iframe", "object", "svg", "math"})
"""Elements whose content is no text of a narrative."""


def narrative(div: str) -> Html:
    """Return a narrative as markup of this page: the listed elements without attributes, all else as text.

    It is rebuilt element by element; nothing of the original markup is copied.
    """
    reading = _Rebuilding()
    reading.feed(div)
    reading.close()
    return reading.whole()


class _Rebuilding(HTMLParser):
    """Rebuilds a narrative from the elements that may be shown."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, list[str]]] = [("", [])]
        self._unsaid = 0

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        """Open an element, or begin to leave out."""
        if tag in _UNSAID:
            self._unsaid += 1
        elif tag in _SHOWN and not self._unsaid:
            self._open.append((tag, []))
        elif tag == "br" and not self._unsaid:
            self._open[-1][1].append(el("br"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that is empty as it stands."""
        if tag == "br":
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Close an element, and what was left open in it."""
        if tag in _UNSAID:
            self._unsaid = max(0, self._unsaid - 1)
        elif not self._unsaid and tag in [each for each, _ in self._open]:
            while self._close() != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Add text, escaped when its element is made."""
        if not self._unsaid:
            self._open[-1][1].append(data)

    def _close(self) -> str:
        tag, inside = self._open.pop()
        made = el(tag, *inside, scope="row") if tag == "th" else el(tag, *inside)
        self._open[-1][1].append(made)
        return tag

    def whole(self) -> Html:
        """Return what was rebuilt."""
        while len(self._open) > 1:
            self._close()
        return together(*self._open[0][1])
