"""`silta messages`: what was taken in, what became of it, and sending or closing what waits for a person."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from adapter.cli.operator import arguments_of, desk
from adapter.mapping.version import SHOWN
from adapter.outcome import Issue

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("messages", help="what was taken in and what became of it")
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)

    listing = acts.add_parser("list", help="the newest messages")
    listing.add_argument("--state", help="only those in this state")
    listing.add_argument("--limit", type=int, default=20)
    listing.add_argument("--before", metavar="MESSAGE", help="older than this one")
    listing.set_defaults(run=_list)

    show = acts.add_parser("show", help="one message: findings, deliveries, attempts")
    show.add_argument("message")
    show.add_argument("--reveal", action="store_true", help="show its content; audited before it is shown")
    parts = "original, content, lineage, copy/DELIVERY or conflict/ID"
    show.add_argument("--part", default="content", help=parts)
    show.add_argument("--reason", help="why; needed with --reveal")
    show.set_defaults(run=_show)

    render = acts.add_parser("render", help="the copy of a message as one recipient gets it")
    render.add_argument("message")
    render.add_argument("--for", dest="recipient", metavar="RECIPIENT", required=True, help="organisation")
    render.add_argument("--as", dest="shown", choices=("fhir", "cda", "v2", "text"), default="fhir")
    render.add_argument("--reveal", action="store_true", help="show it; audited before it is shown")
    render.add_argument("--reason", help="why; needed with --reveal")
    render.set_defaults(run=_render)

    timeline = acts.add_parser("timeline", help="every moment in the life of a message")
    timeline.add_argument("message")
    timeline.set_defaults(run=_timeline)

    for act, says in (
        ("resend", "queue a parked or refused delivery again"),
        ("close", "close a parked or refused delivery for good"),
    ):
        doing = acts.add_parser(act, help=says)
        doing.add_argument("delivery")
        doing.add_argument("--reason", required=True, help="why; it is kept in the audit")
        doing.set_defaults(run=_do, act=act)
    recall = acts.add_parser("recall", help="take a copy back from the wrong recipient")
    recall.add_argument("delivery")
    recall.add_argument("--reason", required=True, help="why; it is kept in the audit")
    recall.set_defaults(run=_recall)
    for act_parser in acts.choices.values():
        arguments_of(act_parser)


def _list(arguments: argparse.Namespace) -> int:
    found = desk(arguments).get(
        "messages", state=arguments.state, limit=str(arguments.limit), before=arguments.before
    )
    return tell(arguments, found, (line for item in found["items"] for line in message_lines(item)))


def _show(arguments: argparse.Namespace) -> int:
    from adapter.cli import OK, USAGE

    if not arguments.reveal:
        found = desk(arguments).get(f"messages/{arguments.message}")
        return tell(arguments, found, message_lines(found, is_whole=True))
    if not arguments.reason:
        print("silta messages show: --reveal needs --reason", file=sys.stderr)
        return USAGE
    shown = desk(arguments).post(
        f"messages/{arguments.message}/reveal", part=arguments.part, reason=arguments.reason
    )
    sys.stdout.buffer.write(shown.content)
    return OK


def _render(arguments: argparse.Namespace) -> int:
    from adapter.cli import OK, USAGE

    if not arguments.reveal or not arguments.reason:
        print("silta messages render: content shows only with --reveal and --reason", file=sys.stderr)
        return USAGE
    shown = desk(arguments).post(
        f"messages/{arguments.message}/render",
        recipient=arguments.recipient,
        reason=arguments.reason,
        **{"as": arguments.shown},
    )
    sys.stdout.buffer.write(shown.content)
    return OK


def _timeline(arguments: argparse.Namespace) -> int:
    found = desk(arguments).get(f"messages/{arguments.message}/timeline")
    return tell(arguments, found, map(_moment, found["items"]))


def _do(arguments: argparse.Namespace) -> int:
    found = desk(arguments).post(f"deliveries/{arguments.delivery}/{arguments.act}", reason=arguments.reason)
    delivery = found.json()
    return tell(arguments, delivery, [f"delivery {delivery['id']} is now {delivery['state']}"])


def _recall(arguments: argparse.Namespace) -> int:
    found = desk(arguments).post(f"deliveries/{arguments.delivery}/recall", reason=arguments.reason).json()
    said = f"delivery {found['delivery']} is recalled, now {found['state']}: "
    if found["recall"]:
        said += f"cancellation {found['recall']} is queued"
    elif found["reached"]:
        said += "its content is forgotten, so no cancellation can go; phone the recipient"
    else:
        said += "nothing of it had left"
    return tell(arguments, found, [said])


def tell(arguments: argparse.Namespace, document: dict[str, Any], lines: Any) -> int:  # noqa: ANN401
    """Print the document as JSON, or the lines for a person."""
    from adapter.cli import OK

    if arguments.json:
        print(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        for line in lines:
            print(line)
    return OK


def message_lines(message: dict[str, Any], *, is_whole: bool = False) -> Iterator[str]:
    """Yield a message and its deliveries as lines."""
    event = message.get("event") or "-"
    yield f"{message['received_at'][:19]}  {message['state']:<14} {event}  {message['id']}"
    for issue in message["issues"] if is_whole else ():
        place = issue.get("source_field") or issue.get("at") or ""
        said = Issue(issue["code"], params=issue.get("params") or {}).text("en")
        yield f"    {issue['code']}  {place}  {said}"
    if is_whole and (version := message.get("extra", {}).get("map_version")):
        yield f"    mapped by {message['extra']['map']}  version {version[:SHOWN]}"
    for delivery in message["deliveries"]:
        reason = f"  {delivery['reason']}" if delivery["reason"] else ""
        level = delivery["level"] or "-"
        yield f"    {delivery['state']:<13} {level:<9} {delivery['recipient']}{reason}  {delivery['id']}"
        if is_whole and (confidence := delivery.get("confidence")):
            yield f"        found by {delivery['evidence']}  ({confidence})"
        if is_whole and (would := delivery.get("would")):
            yield "        would have gone: " + "  ".join(f"{name} {value}" for name, value in would.items())
        for attempt in delivery.get("attempts_made", ()) if is_whole else ():
            status = attempt["status"] or "no answer"
            began = attempt["started_at"][:19]
            yield f"        attempt {attempt['number']}  {began}  {status}  {attempt['outcome']}"
    for conflict in message["conflicts"]:
        came = f"{conflict['received_at'][:19]}  from {conflict['source']}"
        yield f"    other content under its ids  {came}  conflict/{conflict['id']}"
    for version in message.get("versions", ()) if is_whole else ():
        yield from _version_lines(version)


def _version_lines(version: dict[str, Any]) -> Iterator[str]:
    """A version of a plan, and each that was based on an earlier one and kept beside it."""
    taken = f"{version['state']}  {version['sender']}  {version['message']}"
    yield f"    {_numbered(version)}  {version['received_at'][:19]}  {taken}"
    for other in version["beside"]:
        came = f"{other['received_at'][:19]}  not taken  {other['sender']}"
        yield f"        beside it {_numbered(other)}  {came}  conflict/{other['id']} of {version['message']}"


def _numbered(version: dict[str, Any]) -> str:
    base = f", based on {version['base']}" if version["base"] else ""
    return f"version {version['version'] or '-'}{base}"


def _moment(moment: dict[str, Any]) -> str:
    reason = f"  {moment['reason']}" if moment["reason"] else ""
    detail = " ".join(f"{key}={value}" for key, value in moment["detail"])
    what = f"{moment['what']:<16} {moment['outcome']:<14} {moment['object']}"
    return f"{moment['at'][:23]}  {what}{reason}  {detail}".rstrip()
