"""Pages: what is put into them is text, and a narrative is rebuilt from what may be shown."""

from __future__ import annotations

from html import unescape

import pytest

from adapter.server.page import Html, el, narrative, page, respond

NASTY = [
    "<script>alert(1)</script>",
    '<p onclick="alert(1)">x</p>',
    '<img src="https://evil.example/x.png">',
    '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
    '<p style="background:url(https://evil.example)">x</p>',
    '<a href="javascript:alert(1)">x</a>',
    '<iframe src="https://evil.example"></iframe>',
    "<math><mtext></p><style><!--</style><img src=x onerror=alert(1)>--></mtext></math>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
    '<form action="https://evil.example"><input name="password"></form>',
    '<base href="https://evil.example"><meta http-equiv="refresh" content="0;url=https://evil.example">',
    "<table><tbody><tr><th>a</th><td><script>x",
    "<p><b>never closed",
    "</p></div></main>",
    "<template><script>alert(1)</script></template>",
    '<p lang="fi" onload="x">x</p>',
]


@pytest.mark.parametrize("text", NASTY)
def test_a_narrative_can_bring_nothing_that_acts(text: str) -> None:
    """N1: no script, no handler, no address, no style, no element beyond the listed ones."""
    shown = narrative(f"<div>{text}</div>")

    tags = {each.split(">")[0].split(" ")[0].strip("/") for each in shown.split("<")[1:]}
    attributes = {each.split(">")[0].partition(" ")[2] for each in shown.split("<")[1:]}
    assert tags <= {"p", "b", "table", "tbody", "tr", "th", "td"}
    assert attributes <= {"", 'scope="row"'}


def test_what_a_narrative_leaves_open_is_closed() -> None:
    """A narrative cannot swallow the rest of the page."""
    assert narrative("<p><b>x") == "<p><b>x</b></p>"
    assert narrative("</main></table>x") == "x"


def test_our_own_narrative_comes_through_whole() -> None:
    """Paragraphs, rows, and text that looks like markup."""
    div = (
        '<div xmlns="http://www.w3.org/1999/xhtml" lang="fi" xml:lang="fi"><p><b>Ilmoitus</b></p>'
        "<table><tbody>"
        "<tr><th>Viesti</th><td>a &lt; b &amp; c</td></tr></tbody></table></div>"
    )

    assert narrative(div) == (
        '<p><b>Ilmoitus</b></p><table><tbody><tr><th scope="row">Viesti</th><td>a &lt; b &amp; c</td></tr>'
        "</tbody></table>"
    )


@pytest.mark.parametrize("text", ["<b>", '"><script>', "{{7*7}}", "${x}", "%(x)s", "' onclick='x"])
def test_a_text_stays_a_text(text: str) -> None:
    """N2, T1: neither inside an element nor in an attribute does anything become markup or a template."""
    made = el("p", text, title=text)

    assert made.count("<") == 2
    assert unescape(made) == f'<p title="{text}">{text}</p>'


def test_an_element_in_an_element_is_not_escaped_again() -> None:
    """What was made by `el` stands as it is, and so do None and False: not at all."""
    made = el("p", el("b", "x"), None, "", hidden=False, title=None)

    assert made == "<p><b>x</b></p>"
    assert isinstance(made, Html)


def test_a_page_says_its_language_and_has_one_heading_and_a_way_past_the_head() -> None:
    """WCAG 2.4.1, 2.4.2, 3.1.1."""
    made = page("Otsikko & muu", el("p", "x"), language="fi", is_test=True, head=el("p", "y"))

    assert made.startswith('<!doctype html><html lang="fi">')
    assert made.count("<h1>") == 1
    assert "<title>Otsikko &amp; muu – Vastauslomake</title>" in made
    assert '<a href="#content" class="skip">' in made
    assert '<main id="content"' in made


@pytest.mark.parametrize("is_https", [True, False])
def test_a_browser_that_came_by_https_never_comes_without(*, is_https: bool) -> None:
    """C2: Strict-Transport-Security where people come by https, and not where they try it on this machine."""
    headers = respond("x", 200, is_https=is_https).headers

    assert ("strict-transport-security" in headers) is is_https
