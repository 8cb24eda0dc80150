"""Narrative: what XHTML R4 lets in, by the quick look and by the parser alike."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation.narrative import _is_plain, check_div
from adapter.validation.visit import Session, Visit

HEAD = '<div xmlns="http://www.w3.org/1999/xhtml">'

CASES = [
    ("plain", HEAD + "<p>text</p></div>", []),
    ("table", HEAD + '<table class="x"><tr><td colspan="2">text</td></tr></table></div>', []),
    ("empty elements", HEAD + "text<br/><hr /></div>", []),
    ("image alone", HEAD + '<img src="#a" alt="b"/></div>', []),
    ("entities", HEAD + "a &amp; b &nbsp; &#228; &copy;</div>", []),
    ("comment", HEAD + "<!-- x -->text</div>", []),
    ("anchor", HEAD + '<a href="https://silta.example/" name="x">text</a></div>', []),
    ("language", HEAD + '<p lang="fi" xml:lang="fi">text</p></div>', []),
    ("not closed", HEAD + "<p>text</div>", ["VA901"]),
    ("crossed", HEAD + "<b><i>text</b></i></div>", ["VA901"]),
    ("loose ampersand", HEAD + "a & b</div>", ["VA901"]),
    ("no XHTML", "<div>text</div>", ["VA904"]),
    ("no div", '<p xmlns="http://www.w3.org/1999/xhtml">text</p>', ["VA904"]),
    ("two roots", HEAD + "text</div>" + HEAD + "text</div>", ["VA901"]),
    ("script", HEAD + "<script>x</script></div>", ["VA902"]),
    ("form", HEAD + "<form>x</form></div>", ["VA902"]),
    ("event", HEAD + '<p onclick="x()">text</p></div>', ["VA903"]),
    ("attribute of another", HEAD + '<p href="x">text</p></div>', ["VA903"]),
    ("same attribute twice", HEAD + '<p id="a" id="b">text</p></div>', ["VA901"]),
    ("script in a link", HEAD + '<a href=" JavaScript:x()">text</a></div>', ["VA906"]),
    ("empty", HEAD + " </div>", ["VA905"]),
    ("document type", "<!DOCTYPE div>" + HEAD + "text</div>", ["VA907"]),
    ("end of data", HEAD + "a ]]> b</div>", ["VA901"]),
    ("control", HEAD + "a \x01 b</div>", ["VA901"]),
    ("half a character", HEAD + "a \ud83d b &copy;</div>", ["VA901"]),
    ("not text", HEAD + "text</div", ["VA901"]),
]


@pytest.mark.parametrize(("div", "codes"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_a_narrative_is_held_to_its_rules(div: str, codes: list[str]) -> None:
    """Each kind of wrong narrative gives its finding; right ones none."""
    visit = Visit({}, Session())
    found: Any = check_div(div, visit)

    assert [one.code for one in found or ()] == codes


@pytest.mark.parametrize(("div", "codes"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_the_quick_look_never_lets_wrong_ones_by(div: str, codes: list[str]) -> None:
    """What the quick look calls plain has no finding."""
    assert not (_is_plain(div) and codes)
