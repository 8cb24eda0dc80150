"""`silta explain CODE`: all the catalogue says of a finding."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from adapter.outcome import Finding, Language

TITLES: dict[str, tuple[str, str, str]] = {
    "en": ("Severity", "Issue type", "What to do"),
    "fi": ("Vakavuus", "Tyyppi", "Mitä tehdä"),
    "sv": ("Allvar", "Typ", "Vad göra"),
}
RETIRED = {
    "en": "This code is no longer given.",
    "fi": "Tätä koodia ei enää anneta.",
    "sv": "Koden ges inte längre.",
}
UNKNOWN = "There is no finding {code}."


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "explain", help="say all about a finding code", description="Say all the catalogue has on a finding."
    )
    parser.add_argument("code", metavar="CODE", help="for example VA401")
    parser.add_argument("--lang", choices=("en", "fi", "sv"), default="en", help="language (default: en)")
    parser.add_argument("--json", action="store_true", help="one JSON document with all languages")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the entry; return 0, or 2 if there is no such code."""
    from adapter.outcome import finding

    code = arguments.code.strip().upper()
    try:
        entry = finding(code)
    except KeyError:
        sys.stderr.write(_unknown(code))
        return 2
    sys.stdout.write(_as_json(entry) if arguments.json else _as_text(entry, arguments.lang))
    return 0


def _as_text(entry: Finding, language: Language) -> str:
    severity, kind, advice = TITLES[language]
    lines = [
        f"{entry.code}  {_plain(entry.text.get(language, entry.text['en']))}",
        "",
        f"{severity}: {entry.severity}",
        f"{kind}: {entry.type}",
        "",
        f"{advice}: {_plain(entry.help.get(language, entry.help['en']))}",
    ]
    if entry.retired:
        lines += ["", RETIRED[language]]
    return "\n".join(lines) + "\n"


def _as_json(entry: Finding) -> str:
    said = {
        "code": entry.code,
        "severity": entry.severity,
        "type": entry.type,
        "text": {language: _plain(text) for language, text in entry.text.items()},
        "help": {language: _plain(text) for language, text in entry.help.items()},
        "retired": entry.retired,
    }
    return json.dumps(said, ensure_ascii=False, indent=2) + "\n"


def _plain(text: str) -> str:
    """Write a brace once where the catalogue has it twice, as one that names no parameter."""
    return text.replace("{{", "{").replace("}}", "}")


def _unknown(code: str) -> str:
    """Say that there is no such code, with the nearest ones of the same room."""
    from difflib import get_close_matches

    from adapter.outcome import catalogue

    near = get_close_matches(code, catalogue(), n=3)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return UNKNOWN.format(code=code[:12]) + hint + "\n"
