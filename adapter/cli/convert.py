"""`silta convert FILE --to json|xml`: the same resource in FHIR's other format, nothing lost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from adapter.outcome import Issue

MEDIA_TYPES = {"json": "application/fhir+json", "xml": "application/fhir+xml"}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "convert",
        help="turn FHIR JSON into XML and back without loss",
        description="Write one FHIR R4 resource in the format asked for. Every value keeps its text, numbers "
        "included; comments outside narrative and white space between elements do not matter in FHIR and are "
        "not kept. Exit 0: written; 1: the content cannot be read or written; 2: no such file.",
    )
    parser.add_argument(
        "file", metavar="FILE", help="JSON or XML, told apart by its first character; - is stdin"
    )
    parser.add_argument("--to", choices=tuple(MEDIA_TYPES), required=True, help="the format to write")
    parser.add_argument("--compact", action="store_true", help="without indentation")
    parser.add_argument("--json", action="store_true", help='one JSON document: {"format", "document"}')
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the resource; return 0, or 2 if the file cannot be opened.

    Raises ContentError for content that cannot be read or written.
    """
    from adapter.fhir import decode, encode

    try:
        body = sys.stdin.buffer.read() if arguments.file == "-" else Path(arguments.file).read_bytes()
    except OSError as fault:
        print(f"silta convert: {arguments.file}: {fault.strerror}", file=sys.stderr)
        return 2
    found: list[Issue] = []
    resource = decode(body, MEDIA_TYPES[format_of(body)], found=found)
    _refuse(found)
    written = encode(resource, MEDIA_TYPES[arguments.to], pretty=not arguments.compact)
    _say(written, arguments.to, as_json=arguments.json)
    return 0


def format_of(body: bytes) -> str:
    """Return `xml` if the first character is `<`, else `json`."""
    return "xml" if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else "json"


def _refuse(found: list[Issue]) -> None:
    """Raise the errors of an XML document together; its warnings are only said."""
    from adapter.errors import Malformed
    from adapter.outcome import has_errors

    if has_errors(found):
        raise Malformed(found[0].code, issues=found)
    for issue in found:
        print(
            f"{issue.severity} {issue.code}  {issue.at}: line {issue.line}: {issue.text()}", file=sys.stderr
        )


def _say(written: bytes, name: str, *, as_json: bool) -> None:
    if as_json:
        from adapter.fhir import json

        written = json.write({"format": name, "document": written.decode()})
    sys.stdout.buffer.write(written + b"\n")
    sys.stdout.buffer.flush()
