"""`silta stub hospital|oh`: a counterpart to develop against, over real HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    import socket

    from adapter.conformance.actors.app import Later, Stub
    from adapter.conformance.actors.send import Answered

NAMES = {"hospital": "Stub hospital", "oh": "Stub occupational health"}
PORTS = {"hospital": 8081, "oh": 8082}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "stub",
        help="a counterpart to develop against: shows what it gets, answers",
        description="A stub patient system. It takes FHIR messages at / and /fhir/$process-message, shows "
        "each one, says what is wrong with it, answers by a script or by a marker at the end of the "
        "receiver's identifier (-500, -timeout, -dup, -reject), and keeps all of it at GET /inbox. It takes "
        "test messages only.",
    )
    parser.add_argument("actor", choices=sorted(NAMES), help="whom to play")
    parser.add_argument("--port", type=int, help="port on 127.0.0.1 (default: hospital 8081, oh 8082)")
    parser.add_argument("--script", type=Path, metavar="FILE", help="TOML: answers in order, rules")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="bearer token to show, or to expect")
    parser.add_argument("--acknowledge", choices=("reply", "later", "none"), default="reply")
    parser.add_argument("--reply-to", metavar="URL", help="where acknowledgements go that come later")
    parser.add_argument("--timeout-seconds", type=float, default=60, help="how long `timeout` says nothing")
    parser.add_argument("--no-validation", action="store_true", help="check the rules of messaging only")
    sending = parser.add_argument_group("sending (hospital)")
    sending.add_argument("--send", type=Path, action="append", metavar="FILE", help="send this and end")
    sending.add_argument("--to", metavar="URL", help="address of the adapter; mllp://HOST:PORT for HL7 v2")
    sending.add_argument("--source", metavar="NAME", help="native source; without it $process-message")
    sending.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="for somebody to listen")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send, or receive until told to stop; return the exit code."""
    from adapter.errors import ConfigurationError

    if os.environ.get("SILTA_MODE") == "production":
        raise ConfigurationError("KT120")
    return _send(arguments) if arguments.send else _receive(arguments)


def _token(path: Path | None) -> str | None:
    from adapter.errors import ConfigurationError

    if path is None:
        return None
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigurationError("KT133", at=str(path)) from error


def _send(arguments: argparse.Namespace) -> int:
    """Send the files one after the other and show each answer."""
    from adapter.cli import FINDINGS, OK, USAGE
    from adapter.conformance.actors.send import Door, lines, media_type_of, send, wait_for
    from adapter.errors import ConfigurationError

    if not arguments.to:
        print("silta stub: --send needs --to URL", file=sys.stderr)
        return USAGE
    door = Door(address=arguments.to, source=arguments.source, token=_token(arguments.token_file))
    wait_for(door, arguments.wait)
    answers: list[Answered] = []
    for path in arguments.send:
        try:
            body = path.read_bytes()
        except OSError as error:
            raise ConfigurationError("KT133", at=str(path)) from error
        answered = send(body, media_type_of(path, arguments.source), door, request_id=str(uuid.uuid4()))
        print(f"sent {path.name} to {door.url}")
        print("\n".join(f"  {line}" for line in lines(answered)))
        answers.append(answered)
    return OK if all(answered.is_success for answered in answers) else FINDINGS


def _receive(arguments: argparse.Namespace) -> int:
    from adapter.conformance.actors import script
    from adapter.server.listen import address_of, bind

    played = script.read(arguments.script) if arguments.script else script.Script()
    port = arguments.port if arguments.port is not None else PORTS[arguments.actor]
    listener = bind("127.0.0.1", port)
    stub = make(
        arguments.actor,
        address_of(listener),
        played,
        acknowledge=arguments.acknowledge,
        later=_later(arguments),
        silence=arguments.timeout_seconds,
        is_validating=not arguments.no_validation,
    )
    asyncio.run(_until_stopped(stub, listener))
    return 0


def _later(arguments: argparse.Namespace) -> Later | None:
    """Return where later acknowledgements go, None where the reply carries them or none are sent."""
    from adapter.conformance.actors.app import Later
    from adapter.errors import ConfigurationError

    if arguments.acknowledge != "later":
        return None
    if not arguments.reply_to:
        raise ConfigurationError("KT134")
    return Later(address=arguments.reply_to, token=_token(arguments.token_file))


def make(
    actor: str,
    address: str,
    played: object,
    *,
    acknowledge: str = "reply",
    later: Later | None = None,
    silence: float = 60,
    is_validating: bool = True,
) -> Stub:
    """Return a stub that shows what it gets on stdout."""
    from adapter.config.validator import door_validator
    from adapter.conformance.actors.app import Stub
    from adapter.conformance.actors.inbox import Inbox
    from adapter.conformance.actors.reply import Party

    inbox = Inbox(
        party=Party(name=NAMES[actor], address=address),
        script=played,  # type: ignore[arg-type]
        checker=door_validator() if is_validating else None,
        now=lambda: datetime.now(UTC),
        new_id=lambda: str(uuid.uuid4()),
        replies=acknowledge == "reply",
    )
    return Stub(inbox=inbox, show=_show, later=later, silence=silence)


def _show(text: str) -> None:
    print(text, flush=True)


async def _until_stopped(stub: Stub, listener: socket.socket) -> None:
    from adapter.server.listen import listening

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with listening(stub.app(), listener) as address:
        print(f"{stub.inbox.party.name} listens at {address}/fhir", file=sys.stderr)
        print(f"what it got: {address}/inbox    end with Ctrl-C", file=sys.stderr)
        await stop.wait()
