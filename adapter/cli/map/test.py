"""`silta map test`: the cases of a folder, how much of the maps they run, and what they would not notice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.cli.map.arguments import add, maps, with_maps
from adapter.cli.map.saying import SHOWN_AT_MOST, print_json, say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from adapter.cli.map.arguments import Verbs
    from adapter.mapping.cases import Case, Verdict
    from adapter.mapping.mapset import MapSet
    from adapter.mapping.mutants import Fate

SAID = {
    "rule": "left out",
    "condition": "its where turned",
    "row": "its row shifted",
}
"""What was done, by kind of mutant."""


def register(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add(verbs, "test", run, "run the cases of a folder and say what is not as expected")
    parser.add_argument(
        "folders", nargs="+", metavar="FOLDER", help="folders of sources with a .toml beside each"
    )
    parser.add_argument("--update", action="store_true", help="write the results into the folder expected")
    parser.add_argument(
        "--floor", type=int, default=0, metavar="PERCENT", help="end with 1 if fewer rules ran"
    )
    parser.add_argument(
        "--mutate",
        action="store_true",
        help="also leave out each rule, turn each where, shift each row of a code table, one at a time, "
        "and name those that no case notices",
    )
    parser.add_argument(
        "--mutate-floor", type=int, default=0, metavar="PERCENT",
        help="with --mutate: end with 1 if fewer mutants are noticed",
    )  # fmt: skip
    with_maps(parser)


def run(arguments: argparse.Namespace) -> int:
    """Judge every case; return 1 if one fails or too few rules ran, 2 if there is no case."""
    from adapter.mapping.cases import cases, judge
    from adapter.mapping.mutants import mutate, percent

    known = maps(arguments)
    found = [case for folder in arguments.folders for case in cases(Path(folder))]
    if not found:
        say("silta map test: no cases; a case is a source with a .toml of the same name beside it")
        return 2
    if arguments.update:
        _update(found, known)
    verdicts = [judge(case, known) for case in found]
    failed = any(verdict.failures for verdict in verdicts)
    covered = _percent_of_rules(verdicts, known)
    fates = list(mutate(known, found)) if arguments.mutate and not failed else None
    if arguments.json:
        print_json(_as_json(verdicts, covered, fates))
    else:
        _show(verdicts, covered, fates)
        if fates is None and arguments.mutate:
            say("silta map test: mutants are tried when all cases hold")
    if fates is not None and percent(fates) < arguments.mutate_floor:
        return 1
    return 1 if failed or covered < arguments.floor else 0


def _update(found: Sequence[Case], known: MapSet) -> None:
    from adapter.mapping.cases import golden, judge

    for case in found:
        outcome = judge(case, known).outcome
        if outcome is not None:
            case.golden.parent.mkdir(exist_ok=True)
            case.golden.write_bytes(golden(outcome))


def _percent_of_rules(verdicts: Sequence[Verdict], known: MapSet) -> int:
    """Return how many of a hundred rules ran, of the maps that the cases used."""
    from adapter.mapping.coverage import coverage

    ran = {mark for verdict in verdicts if verdict.outcome is not None for mark in verdict.outcome.rules}
    used = {mark.map for mark in ran}
    return coverage((known[name] for name in used if name in known and known[name].is_runnable), ran).percent


def _as_json(verdicts: Sequence[Verdict], covered: int, fates: Sequence[Fate] | None) -> dict[str, Any]:
    failed = [verdict for verdict in verdicts if verdict.failures]
    return {
        "cases": len(verdicts), "failed": len(failed), "rules_percent": covered,
        "failures": [{"case": one.case.name, "failures": list(one.failures)} for one in failed],
        **({} if fates is None else {"mutants": _mutants_as_json(fates)}),
    }  # fmt: skip


def _mutants_as_json(fates: Sequence[Fate]) -> dict[str, Any]:
    from adapter.mapping.mutants import percent

    kinds = {kind: [fate for fate in fates if fate.counts and fate.mutant.kind == kind] for kind in SAID}
    return {
        "percent": percent(fates),
        "kinds": {
            kind: {"mutants": len(of_kind), "noticed": sum(fate.is_noticed for fate in of_kind)}
            for kind, of_kind in kinds.items()
        },
        "survivors": [
            {
                "kind": fate.mutant.kind, "file": fate.mutant.file, "line": fate.mutant.line,
                "what": fate.mutant.what, "reached": fate.is_touched,
            }
            for fate in fates
            if fate.counts and not fate.is_noticed
        ],
        "uncovered_rows": [
            {"file": fate.mutant.file, "line": fate.mutant.line, "what": fate.mutant.what}
            for fate in fates
            if not fate.counts
        ],
    }  # fmt: skip


def _show(verdicts: Sequence[Verdict], covered: int, fates: Sequence[Fate] | None) -> None:
    for verdict in verdicts:
        for failure in verdict.failures:
            print(f"{verdict.case.name}: {failure}")
    held = sum(not verdict.failures for verdict in verdicts)
    print(f"{held} of {len(verdicts)} cases hold; {covered} % of the rules ran")
    if fates is not None:
        _show_mutants(fates)


def _show_mutants(fates: Sequence[Fate]) -> None:
    """Print survivors, those that a case reaches first, rows that no case asks for, and the scores."""
    from adapter.mapping.mutants import percent

    survivors = sorted(
        (fate for fate in fates if fate.counts and not fate.is_noticed), key=lambda fate: not fate.is_touched
    )
    for fate in survivors[:SHOWN_AT_MOST]:
        mutant = fate.mutant
        why = "" if fate.is_touched else " (no case gets there)"
        print(f"survived  {mutant.file}:{mutant.line}  {mutant.what}: {SAID[mutant.kind]}{why}")
    if len(survivors) > SHOWN_AT_MOST:
        print(f"and {len(survivors) - SHOWN_AT_MOST} more; --json has them all")
    uncovered = [fate.mutant for fate in fates if not fate.counts]
    for mutant in uncovered[:SHOWN_AT_MOST]:
        print(f"uncovered {mutant.file}:{mutant.line}  {mutant.what}: no case asks for its row")
    if len(uncovered) > SHOWN_AT_MOST:
        print(f"and {len(uncovered) - SHOWN_AT_MOST} more rows; --json has them all")
    scores = ", ".join(
        f"{sum(fate.is_noticed for fate in of_kind)} of {len(of_kind)} {kind}s"
        for kind in SAID
        if (of_kind := [fate for fate in fates if fate.counts and fate.mutant.kind == kind])
    )
    print(f"{percent(fates)} % of the mutants noticed: {scores or 'none'}")
