"""Strings in other clothes: encode, decode, escape, unescape. FHIRPath 2.1, "Additional String Functions"."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from typing import TYPE_CHECKING

from adapter.fhirpath.code import STRING, Code
from adapter.fhirpath.functions.arguments import text
from adapter.fhirpath.signature import Site, function

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


_ENCODINGS: dict[str, Callable[[str], str]] = {
    "hex": lambda value: value.encode().hex(),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "urlbase64": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
}
_DECODINGS: dict[str, Callable[[str], str]] = {
    "hex": lambda value: bytes.fromhex(value).decode(),
    "base64": lambda value: base64.b64decode(_padded(value), validate=True).decode(),
    "urlbase64": lambda value: base64.b64decode(_padded(value), altchars=b"-_", validate=True).decode(),
}


def _padded(value: str) -> str:
    return value + "=" * (-len(value) % 4)


_JSON_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_JSON_PLAIN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}


def _unescaped_json(value: str) -> str:
    """Undo JSON's escapes; a quote that needed one and has none stays as it is."""
    plain = _JSON_ESCAPE.sub(_json_character, value)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16")


def _json_character(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) > 1:
        return chr(int(escape[1:], 16))
    if escape not in _JSON_PLAIN:
        raise ValueError("not an escape of JSON")
    return _JSON_PLAIN[escape]


_ESCAPES: dict[str, Callable[[str], str]] = {
    "html": lambda value: html.escape(value).replace("&#x27;", "&#39;"),
    "json": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
}
_UNESCAPES: dict[str, Callable[[str], str]] = {"html": html.unescape, "json": _unescaped_json}


def _translation(name: str, table: dict[str, Callable[[str], str]]) -> None:
    """Enter a function that turns a string by a named scheme; nothing of an unknown one or a bad text."""

    @function(name, 1)
    def build(site: Site) -> Code:
        source, scheme = text(site, site.input()), text(site, site.argument(0))

        def one(this: Item, run: Run) -> Item | None:
            said_text, wanted = source(this, run), scheme(this, run)
            turn = None if wanted is None else table.get(wanted)
            if said_text is None or turn is None:
                return None
            run.write(len(said_text) * 2)
            try:
                return turn(said_text)
            except (ValueError, binascii.Error):
                return None

        return Code(STRING, one=one)


_translation("encode", _ENCODINGS)
_translation("decode", _DECODINGS)
_translation("escape", _ESCAPES)
_translation("unescape", _UNESCAPES)
