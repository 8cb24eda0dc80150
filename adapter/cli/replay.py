"""`silta replay`: send many copies again together. One operator prepares it, another one releases it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.cli.messages import tell
from adapter.cli.operator import arguments_of, desk

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "replay",
        help="send many again together: prepared by one, released by another",
        description="Parked and refused copies are fixed and counted when a replay is prepared; nothing goes "
        "before another operator has released it. Consent is asked again for each copy as it goes.",
    )
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)

    prepare = acts.add_parser(
        "prepare", help="choose copies and see what would become of them; sends nothing"
    )
    prepare.add_argument("--recipient", metavar="ORGANISATION", help="only copies for this one")
    prepare.add_argument("--state", choices=("parked", "refused"), help="only those in this state")
    prepare.add_argument("--finding", metavar="CODE", help="only those that wait for this reason")
    prepare.add_argument("--since", metavar="TIME", help="that came to wait then or later")
    prepare.add_argument("--until", metavar="TIME", help="that came to wait before then")
    prepare.add_argument("--limit", metavar="NUMBER", help="at most so many, the oldest first")
    prepare.add_argument("--per-minute", metavar="NUMBER", help="slower than the settings say")
    prepare.add_argument("--reason", required=True, help="why; it is kept in the audit")
    prepare.set_defaults(run=_prepare)

    listing = acts.add_parser("list", help="replays, the newest first")
    listing.set_defaults(run=_list)

    show = acts.add_parser("show", help="one replay; of a prepared one also what it would do now")
    show.add_argument("replay")
    show.set_defaults(run=_show)

    for act, says in (
        ("release", "let one begin that somebody else has prepared"),
        ("cancel", "end one; what has not left does not go"),
    ):
        doing = acts.add_parser(act, help=says)
        doing.add_argument("replay")
        doing.add_argument("--reason", required=True, help="why; it is kept in the audit")
        doing.set_defaults(run=_do, act=act)
    for act_parser in acts.choices.values():
        arguments_of(act_parser)


def _prepare(arguments: argparse.Namespace) -> int:
    names = ("recipient", "state", "finding", "since", "until", "limit", "per_minute", "reason")
    asked = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    found = desk(arguments).post("replays", **asked).json()
    return tell(arguments, found, replay_lines(found))


def _list(arguments: argparse.Namespace) -> int:
    found = desk(arguments).get("replays")
    lines = [line for item in found["items"] for line in replay_lines(item)]
    return tell(arguments, found, lines or ["There is no replay."])


def _show(arguments: argparse.Namespace) -> int:
    found = desk(arguments).get(f"replays/{arguments.replay}")
    return tell(arguments, found, replay_lines(found))


def _do(arguments: argparse.Namespace) -> int:
    found = (
        desk(arguments).post(f"replays/{arguments.replay}/{arguments.act}", reason=arguments.reason).json()
    )
    return tell(arguments, found, replay_lines(found))


def replay_lines(replay: dict[str, Any]) -> Iterator[str]:
    """Yield a replay as lines: who, what is to be expected, what became of its copies."""
    yield f"replay {replay['id']}  {replay['state']}"
    yield f"    prepared {replay['prepared_at'][:19]} by {replay['prepared_by']}: {replay['reason']}"
    if replay["released_by"]:
        yield f"    released {replay['released_at'][:19]} by {replay['released_by']}"
    if replay["ended_at"]:
        yield f"    {replay['state']} {replay['ended_at'][:19]}" + (
            f" by {replay['ended_by']}" if replay["ended_by"] else ""
        )
    yield from _expected(replay.get("now") or replay["preview"], replay["per_minute"])
    if replay["state"] != "prepared":
        for item in replay["items"]:
            reason = f"  {item['reason']}" if item["reason"] else ""
            yield f"    {item['count']} {item['state']}{reason}"


def _expected(preview: dict[str, Any], per_minute: int) -> Iterator[str]:
    made = f", made {preview['oldest'][:10]} to {preview['newest'][:10]}" if preview["oldest"] else ""
    copies = "copy" if preview["count"] == 1 else "copies"
    yield f"    {preview['count']} {copies}{made}, {per_minute} a minute"
    if preview["left_out"]:
        yield f"    {preview['left_out']} more match and are left out"
    for recipient, count in preview["recipients"].items():
        yield f"      {count} to {recipient}"
    yield f"    {preview['permitted']} would go"
    for code, count in preview["denied"].items():
        yield f"    {count} would not go: {code}"
