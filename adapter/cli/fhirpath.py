"""`silta fhirpath EXPR FILE`: evaluate a FHIRPath expression on a file, or show how it is understood."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from adapter.errors import AdapterError
    from adapter.fhirpath import Expression


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "fhirpath",
        help="evaluate a FHIRPath expression on a file",
        description="Evaluate a FHIRPath expression on a FHIR resource (JSON or XML) or any other JSON, and "
        "print the results as a JSON array. What the resource's type cannot have is an error. "
        "Exit 0: evaluated; 1: the file or the evaluation failed; 2: the expression is wrong.",
    )
    parser.add_argument("expression", metavar="EXPR", help="the expression, in quotes of the shell")
    parser.add_argument("file", metavar="FILE", nargs="?", help="a file, or - for standard input")
    parser.add_argument(
        "--context", metavar="TYPE", help="a type or element path; default: the resource's type"
    )
    parser.add_argument("--lenient", action="store_true", help="take unknown elements as empty")
    parser.add_argument("--explain", action="store_true", help="show the tree with types; FILE is not needed")
    parser.add_argument("--json", action="store_true", help="one JSON document on one line, for errors too")
    parser.add_argument("--lang", choices=("en", "fi", "sv"), default="en", help="language (default: en)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the results; return 0, 1 if file or evaluation fail, 2 if the expression or the call is wrong."""
    from adapter.errors import AdapterError
    from adapter.fhirpath import compile_expression

    if arguments.file is None and not arguments.explain:
        sys.stderr.write("silta fhirpath: name a file, or - for standard input\n")
        return 2
    try:
        value = None if arguments.file is None else _read(arguments.file)
    except OSError as fault:
        sys.stderr.write(f"silta fhirpath: {arguments.file}: {fault.strerror}\n")
        return 2
    except AdapterError as fault:
        return _complain(fault, arguments, exit_code=1)
    try:
        context = arguments.context or _type_of(value)
        expression = compile_expression(arguments.expression, context=context, strict=not arguments.lenient)
    except AdapterError as fault:
        return _complain(fault, arguments, exit_code=2)
    if arguments.explain:
        _print_tree(expression, arguments)
        return 0
    try:
        _print_json(expression(value), pretty=not arguments.json)
    except AdapterError as fault:
        return _complain(fault, arguments, exit_code=1)
    return 0


def _read(name: str) -> Any:  # noqa: ANN401
    """Read FHIR JSON, FHIR XML, or JSON of any other kind."""
    from adapter.cli.convert import MEDIA_TYPES, format_of
    from adapter.fhir import decode
    from adapter.fhir.json import read

    body = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    return decode(body, MEDIA_TYPES["xml"]) if format_of(body) == "xml" else read(body)


def _type_of(value: Any) -> str | None:  # noqa: ANN401
    from adapter.fhir.types import r4

    name = value.get("resourceType") if isinstance(value, dict) else None
    return name if isinstance(name, str) and r4().is_resource(name) else None


def _print_json(value: object, *, pretty: bool = False) -> None:
    from adapter.fhir.json import write

    sys.stdout.write(write(value, pretty=pretty).decode().rstrip("\n") + "\n")


def _print_tree(expression: Expression, arguments: argparse.Namespace) -> None:
    from adapter.fhirpath.explain import explain

    lines = explain(expression)
    if arguments.json:
        _print_json([asdict(line) for line in lines])
        return
    width = max(2 * line.depth + len(line.label) for line in lines)
    for line in lines:
        label = "  " * line.depth + line.label
        sys.stdout.write(f"{label:<{width}}  {line.type}\n" if line.type else f"{label}\n")


def _complain(fault: AdapterError, arguments: argparse.Namespace, *, exit_code: int) -> int:
    """Say what is wrong, with the expression and a caret under the place."""
    from adapter.outcome import operation_outcome

    if arguments.json:
        _print_json(operation_outcome(fault.issues, arguments.lang))
        return exit_code
    for issue in fault.issues:
        sys.stderr.write(f"{issue.severity} {issue.code}: {issue.text(arguments.lang)}\n")
        if issue.code.startswith("FP") and issue.line is not None and issue.column is not None:
            sys.stderr.writelines(_caret(arguments.expression, issue.line, issue.column))
        sys.stderr.write(f"  help: {issue.help(arguments.lang)}\n")
    return exit_code


def _caret(text: str, line: int, column: int) -> Iterator[str]:
    """Yield the line of the expression, and a caret under the place."""
    lines = text.splitlines() or [""]
    said = lines[min(line, len(lines)) - 1]
    yield f"  {said}\n"
    yield "  " + "".join("\t" if character == "\t" else " " for character in said[: column - 1]) + "^\n"
