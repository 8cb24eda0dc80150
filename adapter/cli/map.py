"""`silta map ...`: run, check, format and explain mappings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.cli import map_mutants

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Sequence

    from adapter.fhir.json import Json
    from adapter.mapping.mapset import Map, MapSet
    from adapter.mapping.run import Outcome
    from adapter.outcome import Issue

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]
    Verb = Callable[[argparse.Namespace], int]

ZONE = "Europe/Helsinki"
SHOWN_AT_MOST = 400
"""Lines of a table on a terminal; --json has them all."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its verbs."""
    parser = subparsers.add_parser(
        "map",
        help="run, check, format and explain mappings",
        description="Mappings are FHIR Mapping Language files (*.map) with code tables beside them.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _register_run(verbs)
    _register_check(verbs)
    _register_fmt(verbs)
    _register_list(verbs)
    _register_explain(verbs)
    _register_coverage(verbs)
    _register_test(verbs)
    _register_diff(verbs)
    _register_export(verbs)


def _add(verbs: Verbs, name: str, run: Verb, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + "."
    )
    parser.set_defaults(run=run)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _with_maps(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--maps",
        action="append",
        default=[],
        metavar="FOLDER",
        help="own maps and tables, over the shipped ones",
    )
    parser.add_argument(
        "--package", action="append", default=[], metavar="TGZ", help="package with logical models"
    )


def _with_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--media-type", metavar="TYPE", help="of the source, if the file's name does not tell"
    )
    parser.add_argument("--zone", default=ZONE, help=f"zone of local times (default: {ZONE})")
    parser.add_argument("--charset", help="of sources that do not say, such as 8859/15")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="give a constant of the map a value"
    )


def _register_run(verbs: Verbs) -> None:
    parser = _add(verbs, "run", run, "map a source and print the result")
    parser.add_argument("file", metavar="FILE", help="the source; - for standard input")
    parser.add_argument("--map", required=True, metavar="NAME", help="name or url of the map, or auto")
    parser.add_argument("--account", action="store_true", help="print what became of each leaf of the source")
    parser.add_argument(
        "--lineage", nargs="?", const="text", choices=("text", "html", "provenance"),
        help="print where each leaf of the result comes from: as text (default), as one HTML page of source "
        "and result side by side, as FHIR Provenance",
    )  # fmt: skip
    parser.add_argument(
        "--output", metavar="FILE", help="write the page or the Provenances there instead of printing"
    )
    parser.add_argument(
        "--fail-on", choices=("unaccounted", "warning"), action="append", default=[],
        help="end with 1 for this, too",
    )  # fmt: skip
    parser.add_argument(
        "--source-id", metavar="ID", help="name the source, so that ids do not depend on its bytes"
    )
    _with_maps(parser)
    _with_source(parser)


def _register_check(verbs: Verbs) -> None:
    parser = _add(verbs, "check", check, "read maps and tables and list everything that is wrong with them")
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="folders beside the shipped ones")
    parser.add_argument(
        "--portable",
        action="store_true",
        help="also say, and end with 1 for, what other engines read otherwise",
    )
    parser.add_argument(
        "--package", action="append", default=[], metavar="TGZ", help="package with logical models"
    )


def _register_fmt(verbs: Verbs) -> None:
    parser = _add(verbs, "fmt", fmt, "write map files in the one layout")
    parser.add_argument("files", nargs="+", metavar="FILE", help="map files or folders")
    parser.add_argument("--stdout", action="store_true", help="print instead of writing")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; end with 1 if a file would change"
    )


def _register_list(verbs: Verbs) -> None:
    _with_maps(_add(verbs, "list", list_, "list the maps there are"))


def _register_explain(verbs: Verbs) -> None:
    parser = _add(verbs, "explain", explain, "show which rules write an element, and what they read")
    parser.add_argument("target", metavar="PATH", help="an element of the result, such as Procedure.code")
    parser.add_argument("--map", required=True, metavar="NAME", help="name or url of the map")
    _with_maps(parser)


def _register_coverage(verbs: Verbs) -> None:
    parser = _add(verbs, "coverage", coverage, "run sources and show which rules of a map never ran")
    parser.add_argument("files", nargs="+", metavar="FILE", help="sources")
    parser.add_argument("--map", required=True, metavar="NAME", help="name or url of the map")
    parser.add_argument("--floor", type=int, default=0, metavar="PERCENT", help="end with 1 below this")
    _with_maps(parser)
    _with_source(parser)


def _register_test(verbs: Verbs) -> None:
    parser = _add(verbs, "test", test, "run the cases of a folder and say what is not as expected")
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
    _with_maps(parser)


def _register_diff(verbs: Verbs) -> None:
    parser = _add(verbs, "diff", diff, "run sources through two versions of the maps and show what differs")
    parser.add_argument("old", metavar="OLD", help="folder with the maps as they were")
    parser.add_argument("new", metavar="NEW", help="folder with the maps as they are to be")
    parser.add_argument(
        "--corpus", action="append", required=True, metavar="DIR", help="sources, subfolders included"
    )
    parser.add_argument(
        "--map", default="auto", metavar="NAME", help="name or url of the map (default: auto)"
    )
    parser.add_argument(
        "--alone", action="store_true", help="each folder is whole: no shipped maps beside it"
    )
    parser.add_argument(
        "--package", action="append", default=[], metavar="TGZ", help="package with logical models"
    )
    _with_source(parser)


def _register_export(verbs: Verbs) -> None:
    parser = _add(verbs, "export", export, "write a map as FHIR R4 StructureMap")
    parser.add_argument("--map", required=True, metavar="NAME", help="name or url of the map")
    parser.add_argument("--output", metavar="FILE", help="write there instead of printing")
    _with_maps(parser)


# Loading


def _folders(own: Iterable[str]) -> list[Path]:
    from adapter.shipped import folder

    shipped = folder("mappings")
    return [shipped, *(path for name in own if (path := Path(name)).resolve() != shipped.resolve())]


def _packages(names: Iterable[str]) -> list[Any]:
    from adapter.fhir.packages import load
    from adapter.shipped import folder

    return [*([load(folder("profiles"))] if _has_models() else []), *(load(Path(name)) for name in names)]


def _has_models() -> bool:
    from adapter.shipped import folder

    try:
        return any(folder("profiles").rglob("*.json"))
    except FileNotFoundError:
        return False


def _load(arguments: argparse.Namespace) -> MapSet:
    from adapter.mapping.mapset import MapSet

    return MapSet.load(_folders(arguments.maps), _packages(arguments.package))


def _constants(given: Sequence[str]) -> dict[str, Any]:
    constants: dict[str, Any] = {}
    for one in given:
        name, _, value = one.partition("=")
        constants[name] = {"true": True, "false": False}.get(value, value)
    return constants


def _media_type(arguments: argparse.Namespace, name: str, body: bytes) -> str:
    from adapter.mapping.readers import media_type_of

    return str(arguments.media_type or media_type_of(name, body))


def _body(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _print_json(value: Json) -> None:
    from adapter.fhir import json

    sys.stdout.buffer.write(json.write(value, pretty=True) + b"\n")
    sys.stdout.buffer.flush()


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _unopened(name: str, fault: OSError) -> int:
    _say(f"silta map: {name}: {fault.strerror}")
    return 2


def issue_line(issue: Issue) -> str:
    """Say an issue on one line: `file:line:column: severity CODE text (field)`."""
    place = ":".join(str(part) for part in (issue.at, issue.line, issue.column) if part is not None)
    field = f" ({issue.source_field})" if issue.source_field else ""
    return f"{place + ': ' if place else ''}{issue.severity} {issue.code} {issue.text()}{field}"


def _as_json(issue: Issue) -> dict[str, Any]:
    said = {
        "code": issue.code, "severity": issue.severity, "at": issue.at, "line": issue.line,
        "column": issue.column, "field": issue.source_field, "text": issue.text(), "help": issue.help(),
    }  # fmt: skip
    return {key: value for key, value in said.items() if value is not None}


# Verbs


def run(arguments: argparse.Namespace) -> int:
    """Map one source; return 1 if there are errors or what --fail-on names, 2 if it cannot be opened."""
    from adapter.outcome import has_errors

    try:
        body = _body(arguments.file)
    except OSError as fault:
        return _unopened(arguments.file, fault)
    maps = _load(arguments)
    options: dict[str, Any] = {
        "media_type": _media_type(arguments, arguments.file, body),
        "zone": arguments.zone,
        "charset": arguments.charset,
        "constants": _constants(arguments.set),
        "source_id": arguments.source_id,
        "lineage": bool(arguments.account or arguments.lineage) or "unaccounted" in arguments.fail_on,
    }
    if arguments.output and arguments.lineage not in ("html", "provenance"):
        _say("silta map run: --output goes with --lineage html or --lineage provenance")
        return 2
    outcome = (
        maps.run(body, **options) if arguments.map == "auto" else maps[arguments.map].run(body, **options)
    )
    if arguments.lineage in ("html", "provenance"):
        from adapter.cli import map_lineage

        name = maps.choose_for(body, **options).url if arguments.map == "auto" else maps[arguments.map].url
        try:
            map_lineage.write(
                outcome, body, options, form=arguments.lineage, map_url=name, output=arguments.output
            )
        except OSError as fault:
            return _unopened(arguments.output, fault)
    else:
        _show(outcome, arguments)
    for issue in outcome.issues:
        _say(issue_line(issue))
    failed = has_errors(outcome.issues) or _fails(outcome, arguments.fail_on)
    return 1 if failed else 0


def _fails(outcome: Outcome, wanted: Sequence[str]) -> bool:
    lost = "unaccounted" in wanted and outcome.accounting is not None and bool(outcome.accounting.unaccounted)
    warned = "warning" in wanted and any(issue.severity == "warning" for issue in outcome.issues)
    return lost or warned


def _show(outcome: Outcome, arguments: argparse.Namespace) -> None:
    if arguments.json:
        whole: dict[str, Any] = {
            "resources": outcome.resources,
            "issues": [_as_json(issue) for issue in outcome.issues],
        }
        if arguments.account and outcome.accounting is not None:
            whole["accounting"] = outcome.accounting.as_json()
        if arguments.lineage and outcome.lineage is not None:
            whole["lineage"] = outcome.lineage.as_json()
        _print_json(whole)
        return
    if arguments.account and outcome.accounting is not None:
        _show_account(outcome)
    if arguments.lineage and outcome.lineage is not None:
        for step in outcome.lineage:
            sources = (
                ", ".join(step.sources) or f"({step.context})" if step.context else ", ".join(step.sources)
            )
            row = f"  {step.row}" if step.row else ""
            print(f"{step.target}  <-  {sources or '-'}  {step.map}:{step.line} {step.rule}{row}")
    if arguments.account or arguments.lineage:
        return
    for resource, document in zip(outcome.resources, outcome.documents, strict=False):
        if document is None:
            _print_json(resource)
        else:
            sys.stdout.buffer.write(document + b"\n")
            sys.stdout.buffer.flush()


def _show_account(outcome: Outcome) -> None:
    from adapter.mapping.accounting import FATES

    if outcome.accounting is None:
        return
    for fate, count in outcome.accounting.counts.items():
        print(f"{count:6} {fate}: {FATES[fate]}")  # type: ignore[index]
    for place in outcome.accounting.unaccounted[:SHOWN_AT_MOST]:
        print(f"unaccounted {place}")


def check(arguments: argparse.Namespace) -> int:
    """List every issue of the maps; return 2 if one of them is an error."""
    from adapter.mapping.mapset import check as check_folders
    from adapter.outcome import has_errors

    maps, issues = check_folders(_folders(arguments.folders), _packages(arguments.package))
    odd: list[Issue] = []
    if arguments.portable:
        from adapter.mapping.fml.portable import portability

        odd = [issue for one in maps for issue in portability(one.file)]
        issues = [*issues, *odd]
    if arguments.json:
        _print_json({"maps": [one.name for one in maps], "issues": [_as_json(issue) for issue in issues]})
    else:
        for issue in issues:
            print(issue_line(issue))
            if issue.is_error:
                print(f"  help: {issue.help()}")
        print(f"{len(maps)} maps, {sum(issue.is_error for issue in issues)} errors")
    return 1 if odd or has_errors(issues) else 0


def fmt(arguments: argparse.Namespace) -> int:
    """Format map files; return 1 if one cannot be read, or with --check would change."""
    from adapter.mapping.fml.parser import parse
    from adapter.mapping.fml.printer import print_map

    changed: list[str] = []
    failed = False
    for path in _map_files(arguments.files):
        try:
            before = path.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as fault:
            _say(f"silta map fmt: {path}: {getattr(fault, 'strerror', None) or 'not UTF-8'}")
            return 2
        tree, issues = parse(before, path.name)
        if tree is None or issues:
            failed = True
            for issue in issues:
                _say(issue_line(issue))
            continue
        after = print_map(tree)
        if arguments.stdout:
            sys.stdout.write(after)
        elif after != before:
            changed.append(str(path))
            if not arguments.check:
                path.write_bytes(after.encode())
    if arguments.json:
        _print_json({"changed": changed})
    else:
        for name in changed:
            print(name)
    return 1 if failed or (arguments.check and changed) else 0


def _map_files(names: Iterable[str]) -> Iterable[Path]:
    from adapter.mapping.mapset import MAP_SUFFIXES

    for name in names:
        path = Path(name)
        if path.is_dir():
            yield from (one for one in sorted(path.rglob("*")) if one.suffix in MAP_SUFFIXES)
        else:
            yield path


def list_(arguments: argparse.Namespace) -> int:
    """List maps that can be run."""
    maps = [one for one in _load(arguments) if one.is_runnable]
    rows = [
        {"name": one.name, "url": one.url, "source": one.source_format, "constants": list(one.constants)}
        for one in maps
    ]
    if arguments.json:
        _print_json({"maps": rows})
        return 0
    for row in rows:
        print(f"{row['name']}  {row['source'] or '-'}  {row['url']}")
    return 0


def explain(arguments: argparse.Namespace) -> int:
    """Show the rules behind an element; return 1 if no rule writes it."""
    from adapter.mapping.explain import writers

    found = writers(_load(arguments)[arguments.map], arguments.target)
    if arguments.json:
        _print_json({"target": arguments.target, "rules": [one.as_json() for one in found]})
    else:
        for one in found:
            print(f"{one.path}  {one.mark.file}:{one.mark.line}  {one.mark.group}/{one.mark.rule}")
            print(f"  {one.text}")
        if not found:
            _say(f"no rule of {arguments.map} writes {arguments.target}")
    return 0 if found else 1


def coverage(arguments: argparse.Namespace) -> int:
    """Run sources and list the rules that never ran; return 1 below the floor."""
    from adapter.errors import AdapterError

    one: Map = _load(arguments)[arguments.map]
    ran: set[Any] = set()
    for name in arguments.files:
        try:
            body = _body(name)
        except OSError as fault:
            return _unopened(name, fault)
        try:
            outcome = one.run(
                body,
                media_type=_media_type(arguments, name, body),
                zone=arguments.zone,
                charset=arguments.charset,
                constants=_constants(arguments.set),
                lineage=True,
            )
        except AdapterError as error:
            _say(f"{name}: {error}")
            continue
        ran |= outcome.rules
    every = list(dict.fromkeys(one.marks))
    missed = [mark for mark in every if mark not in ran]
    percent = 100 * (len(every) - len(missed)) // max(len(every), 1)
    if arguments.json:
        _print_json({
            "rules": len(every), "ran": len(every) - len(missed), "percent": percent,
            "missed": [
                {"file": mark.file, "line": mark.line, "rule": f"{mark.group}/{mark.rule}"} for mark in missed
            ],
        })  # fmt: skip
    else:
        print(f"{len(every) - len(missed)} of {len(every)} rules ran ({percent} %)")
        for mark in missed:
            print(f"never ran  {mark.file}:{mark.line}  {mark.group}/{mark.rule}")
    return 1 if percent < arguments.floor else 0


def test(arguments: argparse.Namespace) -> int:
    """Judge every case; return 1 if one fails or too few rules ran, 2 if there is no case."""
    from adapter.mapping import cases as beside

    maps = _load(arguments)
    found = [case for folder in arguments.folders for case in beside.cases(Path(folder))]
    if not found:
        _say("silta map test: no cases; a case is a source with a .toml of the same name beside it")
        return 2
    verdicts = [beside.judge(case, maps) for case in found]
    if arguments.update:
        for verdict in verdicts:
            if verdict.outcome is not None:
                verdict.case.golden.parent.mkdir(exist_ok=True)
                verdict.case.golden.write_bytes(beside.golden(verdict.outcome))
        verdicts = [beside.judge(case, maps) for case in found]
    failed = [verdict for verdict in verdicts if verdict.failures]
    ran = {mark for verdict in verdicts if verdict.outcome is not None for mark in verdict.outcome.rules}
    used = [
        maps[name] for name in sorted({mark.map for mark in ran}) if name in maps and maps[name].is_runnable
    ]
    every = {mark for one in used for mark in one.marks}
    percent = 100 * len(ran & every) // max(len(every), 1)
    fates = list(_mutated(maps, found)) if arguments.mutate and not failed else None
    if arguments.json:
        _print_json({
            "cases": len(verdicts), "failed": len(failed), "rules_percent": percent,
            "failures": [{"case": one.case.name, "failures": list(one.failures)} for one in failed],
            **({} if fates is None else {"mutants": map_mutants.as_json(fates)}),
        })  # fmt: skip
    else:
        for verdict in failed:
            for failure in verdict.failures:
                print(f"{verdict.case.name}: {failure}")
        print(f"{len(verdicts) - len(failed)} of {len(verdicts)} cases hold; {percent} % of the rules ran")
        if fates is not None:
            map_mutants.show(fates, SHOWN_AT_MOST)
        elif arguments.mutate:
            _say("silta map test: mutants are tried when all cases hold")
    if fates is not None and map_mutants.percent(fates) < arguments.mutate_floor:
        return 1
    return 1 if failed or percent < arguments.floor else 0


def _mutated(maps: MapSet, found: Sequence[Any]) -> Iterable[Any]:
    from adapter.mapping.mutants import mutate

    return mutate(maps, found)


def diff(arguments: argparse.Namespace) -> int:
    """Show what two versions of the maps make differently; return 1 if anything, 2 if there is no source."""
    from adapter.cli import map_diff
    from adapter.mapping.behaviour import compare

    old, new = (_version(name, arguments) for name in (arguments.old, arguments.new))
    sources = [path for name in arguments.corpus for path in sorted(Path(name).rglob("*")) if path.is_file()]
    if not sources:
        _say("silta map diff: no sources")
        return 2
    compared = []
    for path in sources:
        body = path.read_bytes()
        options = {
            "media_type": _media_type(arguments, path.name, body),
            "zone": arguments.zone, "charset": arguments.charset, "constants": _constants(arguments.set),
            "source_id": str(path),
        }  # fmt: skip
        compared.append(compare(str(path), body, old, new, arguments.map, **options))
    if arguments.json:
        _print_json(map_diff.as_json(compared))
    else:
        map_diff.show(compared, SHOWN_AT_MOST)
    return 1 if any(one.changes for one in compared) else 0


def _version(name: str, arguments: argparse.Namespace) -> MapSet:
    from adapter.mapping.mapset import MapSet

    folders = [Path(name)] if arguments.alone else _folders([name])
    return MapSet.load(folders, _packages(arguments.package))


def export(arguments: argparse.Namespace) -> int:
    """Write one map as StructureMap; return 2 if the file cannot be written."""
    from adapter.fhir import json
    from adapter.mapping.fml.structuremap import to_structure_map

    resource = to_structure_map(_load(arguments)[arguments.map].file)
    if arguments.output is None:
        _print_json(resource)
        return 0
    try:
        Path(arguments.output).write_bytes(json.write(resource, pretty=True) + b"\n")
    except OSError as fault:
        return _unopened(arguments.output, fault)
    return 0
