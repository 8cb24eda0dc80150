"""The command `silta`: which commands there are, and how one is found, run and ended."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter.errors import AdapterError

OK, FINDINGS, USAGE, REMOTE, INCOMPLETE, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
"""How a command may end: the exit codes of the whole tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One word after `silta`, and the module that knows it.

    The module has `register(subparsers)`: it adds its parser with `set_defaults(run=...)`, a function that
    takes the parsed arguments and returns an exit code.
    """

    name: str
    module: str
    help: str


COMMANDS = (
    Command(name="demo", module="demo", help="run the main job on shipped fixtures and show what happens"),
    Command(name="init", module="init", help="make a folder with a commented silta.toml to start from"),
    Command(name="serve", module="serve", help="run the doors and the delivery"),
    Command(name="stub", module="stub", help="a counterpart to develop against: shows what it gets, answers"),
    Command(name="map", module="map", help="run, check, format and explain mappings"),
    Command(name="validate", module="validate", help="check resources against profiles"),
    Command(name="fhirpath", module="fhirpath", help="evaluate a FHIRPath expression on a file"),
    Command(name="convert", module="convert", help="turn FHIR JSON into XML and back without loss"),
    Command(name="package", module="package", help="show and build FHIR packages"),
    Command(name="messages", module="messages", help="what was taken in and what became of it"),
    Command(name="queue", module="queue", help="messages that wait for a person"),
    Command(
        name="replay", module="replay", help="send many again together: prepared by one, released by another"
    ),
    Command(name="alarms", module="alarms", help="what stands that a person must know of"),
    Command(name="hold", module="hold", help="let nothing leave until a person lifts it"),
    Command(name="backup", module="backup", help="copy the store while the adapter works"),
    Command(name="key", module="key", help="give the store another master key"),
    Command(name="partners", module="partners", help="how the ways to the partners do"),
    Command(name="cases", module="cases", help="whether somebody has taken over what arrived"),
    Command(name="consents", module="consents", help="what patients have permitted and denied"),
    Command(name="directory", module="directory", help="who can be routed to, and by whose word"),
    Command(name="audit", module="audit", help="what was done, and who got to know what"),
    Command(name="password", module="password", help="make the line of a password file for the reply form"),
    Command(name="report", module="report", help="numbers from many assessments and notifications"),
    Command(name="doctor", module="doctor", help="check a deployment and say what is wrong"),
    Command(name="explain", module="explain", help="say what a finding's code means and what to do"),
)
"""Every command in the order of the help page. One whose module is not there is not shown."""


def _commands() -> Iterator[Command]:
    return (command for command in COMMANDS if find_spec(f"{__name__}.{command.module}") is not None)


def _overview() -> str:
    width = max(len(command.name) for command in COMMANDS) + 2
    lines = (f"  {command.name:<{width}}{command.help}" for command in _commands())
    return "commands:\n" + "\n".join(lines) + "\n\n`silta COMMAND --help` says more about one."


class Parser(argparse.ArgumentParser):
    """Options are written out, those of commands and their acts too.

    A script that abbreviates breaks with the next option, and `--token SECRET` is no file to be named in an
    error.
    """

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - what argparse takes
        super().__init__(**{**given, "allow_abbrev": False})


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="silta",
        description="A FHIR R4 adapter between patient systems.",
        epilog=_overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="silta [--version] COMMAND ...",
    )
    parser.add_argument("--version", action="store_true", help="print the version and end")
    return parser


def _named(argv: Sequence[str]) -> Command | None:
    """Return the command that stands first in `argv`, None if there is none of that name."""
    return next((command for command in _commands() if argv and command.name == argv[0]), None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that was typed; return the exit code.

    Only that command's module is imported, so that help comes at once.
    """
    typed = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    command = _named(typed)
    if command is None:
        return _without_command(parser, typed)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", prog="silta")
    import_module(f"{__name__}.{command.module}").register(subparsers)
    arguments = parser.parse_args(typed)
    return _ended(arguments)


def _without_command(parser: argparse.ArgumentParser, typed: list[str]) -> int:
    if typed and not typed[0].startswith("-"):
        parser.error(f"there is no command {typed[0]!r}{_nearest(typed[0])}")
    if parser.parse_args(typed).version:
        from adapter import __version__

        print(f"silta {__version__}")
        return OK
    parser.print_help()
    return OK


def _nearest(word: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, [command.name for command in _commands()], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _ended(arguments: argparse.Namespace) -> int:
    """Run what was parsed, and turn the way it ends into an exit code."""
    from adapter.errors import AdapterError

    run: Any = getattr(arguments, "run", None)
    if run is None:
        print("silta: name what to do; see --help", file=sys.stderr)
        return USAGE
    try:
        return int(run(arguments) or OK)
    except AdapterError as error:
        return complain(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone; nothing is left to say, not even at exit.
        sys.stderr.close()
        return OK
    except Exception as error:  # the last resort: a traceback would quote what was being worked on
        from adapter.server.log import frames

        print(f"silta: internal error, {type(error).__name__} at", file=sys.stderr)
        print("\n".join(f"  {frame}" for frame in frames(error)), file=sys.stderr)
        return INTERNAL


def complain(error: AdapterError) -> int:
    """Say every issue of `error` on stderr; return the exit code that fits it."""
    for issue in error.issues:
        place = f"{issue.at}: " if issue.at else ""
        line = f"line {issue.line}: " if issue.line is not None else ""
        print(f"{issue.severity} {issue.code}  {place}{line}{issue.text()}", file=sys.stderr)
        if issue.help():
            print(f"  help: {issue.help()}", file=sys.stderr)
    return exit_code(error)


def exit_code(error: AdapterError) -> int:
    """Return the exit code for `error`: whose move it is says which."""
    from adapter.errors import ConfigurationError, ContentError, DeliveryError, NotPermitted, StoreError

    table: tuple[tuple[type[AdapterError], int], ...] = (
        (ConfigurationError, USAGE),
        (ContentError, FINDINGS),
        (DeliveryError, REMOTE),
        (NotPermitted, REMOTE),
        (StoreError, USAGE),
    )
    return next((code for kind, code in table if isinstance(error, kind)), INTERNAL)
