"""`silta validate FILE...`: hold resources against R4 and profiles, and say what is wrong and where."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from adapter.fhir.json import Json
    from adapter.outcome import Issue
    from adapter.validation.report import Checked
    from adapter.validation.validator import Validator

SUFFIXES = (".json", ".xml")
"""What a folder is searched for."""

UNKNOWN = "VA101"
"""What the validator says of an element nobody knows; of XML the reader has said it already."""

JSON, XML = "application/fhir+json", "application/fhir+xml"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "validate",
        help="hold resources against R4 and profiles",
        description="Hold FHIR resources, JSON or XML, against R4 4.0.1, the profiles shipped, and those of "
        "packages given. Exit 0: no errors; 1: errors; 2: a file or package cannot be read.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="file, folder, or - for standard input")
    parser.add_argument("--profile", action="append", default=[], metavar="URL", help="hold against this too")
    parser.add_argument("--package", action="append", default=[], metavar="TGZ", help="definitions to load")
    parser.add_argument(
        "--refuse",
        action="append",
        default=[],
        choices=("example-addresses", "unknown-extensions"),
        help="make errors of what is tolerated otherwise",
    )
    parser.add_argument(
        "--tolerate",
        action="append",
        default=[],
        choices=("unknown-extensions",),
        help="never make errors of these, also where a profile is claimed",
    )
    parser.add_argument("--format", choices=("text", "json", "sarif", "junit"), default="text")
    parser.add_argument("--json", action="store_const", const="json", dest="format", help="as --format json")
    parser.add_argument("--lang", choices=("en", "fi", "sv"), default="en", help="language (default: en)")
    parser.add_argument(
        "--show-values", action="store_true", help="show what the source says around a finding"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the report; return 0, 1 if there are errors, 2 if something could not be read at all."""
    from adapter.errors import AdapterError
    from adapter.outcome import has_errors
    from adapter.validation import report
    from adapter.validation.validator import Validator

    try:
        from adapter.fhir.packages import load

        packages = [load(Path(place)) for place in arguments.package]
        validator = Validator.shipped(
            packages,
            today=datetime.now(UTC).date(),
            refuse=arguments.refuse,
            tolerate=arguments.tolerate,
        )
        files = [check(name, body, validator, arguments.profile) for name, body in _bodies(arguments.files)]
    except (OSError, AdapterError) as fault:
        sys.stderr.write(f"silta validate: {_said(fault)}\n")
        return 2
    if arguments.format == "text":
        out = report.as_text(files, arguments.lang, show_values=arguments.show_values)
    else:
        out = report.FORMATS[arguments.format](files, arguments.lang)
    sys.stdout.write(out)
    return 1 if any(has_errors(file.issues) for file in files) else 0


def _said(fault: Exception) -> str:
    if isinstance(fault, OSError):
        return f"{fault.filename or ''}: {fault.strerror or type(fault).__name__}".lstrip(": ")
    return str(fault)


def _bodies(names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file named, folders searched through."""
    for name in names:
        if name == "-":
            yield "<stdin>", sys.stdin.buffer.read()
        elif Path(name).is_dir():
            for path in sorted(Path(name).rglob("*")):
                if path.suffix in SUFFIXES and path.is_file():
                    yield str(path), path.read_bytes()
        else:
            yield name, Path(name).read_bytes()


def check(name: str, body: bytes, validator: Validator, profiles: list[str]) -> Checked:
    """Read and validate one file. What cannot be read is a finding like any other."""
    from adapter import fhir
    from adapter.errors import ContentError
    from adapter.validation.report import Checked

    start = perf_counter()
    media_type = XML if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else JSON
    unread: list[Issue] = []
    try:
        resource = _read(body, media_type, unread, is_model=any(map(validator.is_model, profiles)))
        said = {issue.at for issue in unread}
        found = [
            issue
            for issue in _found(resource, validator, profiles)
            if issue.code != UNKNOWN or issue.at not in said
        ]
        issues = [*unread, *fhir.located(found, body, media_type)]
    except ContentError as fault:
        issues = list(fault.issues)
    text = body.decode("utf-8", errors="replace")
    return Checked(name=name, text=text, issues=issues, seconds=perf_counter() - start)


def _read(body: bytes, media_type: str, unread: list[Issue], *, is_model: bool) -> Json:
    """Return what a file holds; of a logical model it is an instance in JSON, and no resource."""
    from adapter.fhir import decode

    if is_model and media_type == JSON:
        from adapter.fhir import json

        return json.read(body)
    return decode(body, media_type, found=unread)


def _found(resource: Json, validator: Validator, profiles: list[str]) -> list[Issue]:
    found: dict[Any, Issue] = {}
    asked: list[str | None] = [*profiles] or [None]
    for profile in asked:
        for issue in validator.validate(resource, profile):
            found.setdefault((issue.code, issue.at, tuple(sorted(issue.params.items(), key=str))), issue)
    return list(found.values())
