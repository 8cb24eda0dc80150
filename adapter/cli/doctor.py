"""`silta doctor`: is this deployment in order, and if not, what is wrong with it."""

from __future__ import annotations

import json
import stat
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from adapter.cli.serve import config_argument
from adapter.errors import AdapterError, ConfigurationError
from adapter.outcome import Issue, has_errors

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.config import Content, Settings

RELEASED = datetime(2026, 11, 1, tzinfo=UTC)
"""No clock of a machine that runs this can rightly show an earlier time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at, and what was found."""

    name: str
    said: str
    """One line for a person."""
    issues: tuple[Issue, ...] = ()

    @property
    def state(self) -> str:
        """`ok`, `warning` or `fault`."""
        if has_errors(self.issues):
            return "fault"
        is_worth_a_word = any(issue.severity == "warning" for issue in self.issues)
        return "warning" if is_worth_a_word else "ok"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="check a deployment and say what is wrong",
        description="Looks at settings, folders, maps, keys, clock and store without starting anything. "
        "Exit 0 if the adapter can start, 2 if it cannot.",
    )
    config_argument(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look, tell, and return the exit code."""
    from adapter.cli import OK, USAGE

    checks = list(examine(arguments.config, datetime.now(UTC)))
    is_fit = all(check.state != "fault" for check in checks)
    if arguments.json:
        json.dump(_document(checks, is_fit=is_fit), sys.stdout, ensure_ascii=False, indent=2)
        print()
    else:
        print("\n".join(_lines(checks, is_fit=is_fit)))
    return OK if is_fit else USAGE


def examine(path: Path, now: datetime) -> Iterator[Check]:
    """Yield every check in turn; those that need what failed before are left out."""
    from adapter import config

    yield _clock(now)
    yield _sqlite()
    try:
        settings = config.load(path)
    except AdapterError as error:
        yield Check(name="settings", said=f"{path} cannot be used", issues=error.issues)
        return
    yield Check(
        name="settings",
        said=f"{path}: {settings.mode.value}, {len(settings.sources)} sources, "
        f"{len(settings.partners)} partners",
        issues=(*settings.warnings, *_empty(settings)),
    )
    yield _network(settings)
    yield _reliability(settings)
    yield _store(settings)
    try:
        content = config.read_content(settings)
    except AdapterError as error:
        yield Check(name="folders", said="something in the folders is wrong", issues=error.issues)
        return
    yield _folders(settings, content)
    yield _overrides(settings)
    yield _packages(settings)


def _clock(now: datetime) -> Check:
    issues = (Issue("CF142"),) if now < RELEASED else ()
    return Check(name="clock", said=now.isoformat(timespec="seconds"), issues=issues)


def _sqlite() -> Check:
    from adapter.relay.store.sqlite import findings

    issues = findings()
    return Check(name="sqlite", said="a version with a known fault" if issues else "sound", issues=issues)


def _empty(settings: Settings) -> Iterator[Issue]:
    held = {
        "organisation": settings.organisations,
        "source": settings.sources,
        "partner": settings.partners,
    }
    for section, things in held.items():
        if not things:
            yield Issue("CF145", params={"section": section})


_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _network(settings: Settings) -> Check:
    issues = []
    host, port = settings.listen
    if host not in _LOOPBACK:
        issues.append(Issue("CF141", "server.listen"))
    is_local = any(f"//{name}" in settings.address for name in _LOOPBACK)
    has_far_partner = any(
        not any(f"//{name}" in partner.endpoint for name in _LOOPBACK) for partner in settings.partners
    )
    if is_local and has_far_partner:
        issues.append(Issue("CF148", "server.address", {"address": settings.address}))
    for listener in settings.mllp:
        try:
            listener.context()
        except ConfigurationError as error:
            issues.append(error.issue)
    said = [f"listens on {host}:{port}", *(f"MLLP on {one.host}:{one.port}" for one in settings.mllp)]
    return Check(name="network", said=", ".join(said), issues=tuple(issues))


def _reliability(settings: Settings) -> Check:
    """How many partners there are of each reliability profile."""
    count = Counter(partner.profile for partner in settings.partners)
    said = ", ".join(f"{profile}: {many}" for profile, many in sorted(count.items()))
    return Check(name="profiles", said=said or "no partners")


def _store(settings: Settings) -> Check:
    path = settings.store_file
    if path is None:
        return Check(name="store", said=settings.store_url.partition(":")[0])
    if not path.exists():
        return Check(name="store", said=f"{path} will be made at the first start")
    is_open = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    issues = (Issue("CF111", "store.url", {"path": str(path)}, level="warning"),) if is_open else ()
    return Check(name="store", said=str(path), issues=issues)


def _folders(settings: Settings, content: Content) -> Check:
    from adapter.relay import directory

    index = directory.read(content.directory)
    unknown = [partner for partner in settings.partners if index.party(partner.organisation) is None]
    said = (
        f"{len(content.directory)} directory resources, {len(content.agreements)} agreements, "
        f"{len(content.consents)} consents"
    )
    strangers = (Issue("CF146", partner.organisation) for partner in unknown)
    return Check(name="folders", said=said, issues=(*content.warnings, *strangers))


def _overrides(settings: Settings) -> Check:
    from adapter.shipped import folder

    shipped = {path.name for path in folder("mappings").rglob("*") if path.is_file()}
    own = [path for path in sorted(settings.maps.rglob("*")) if path.suffix in (".map", ".json")]
    tables = [
        path
        for name in ("v2-events.csv", "disclosure-rules.csv")
        if (path := settings.tables / name).is_file()
    ]
    above = [path for path in own if path.name in shipped]
    issues = (
        *(Issue("CF143", params={"what": "map", "name": path.name}) for path in above),
        *(Issue("CF143", params={"what": "table", "name": path.name}) for path in tables),
    )
    said = f"{len(own)} own mapping files, {len(above) + len(tables)} above shipped ones"
    return Check(name="maps", said=said, issues=issues)


def _packages(settings: Settings) -> Check:
    from adapter.fhir.packages import load

    packages = [load(path) for path in settings.packages]
    named = ", ".join(f"{package.name} {package.version}" for package in packages)
    return Check(name="packages", said=named or "R4 core and the shipped profiles")


_SIGNS = {"ok": "ok     ", "warning": "warning", "fault": "FAULT  "}


def _lines(checks: list[Check], *, is_fit: bool) -> Iterator[str]:
    for check in checks:
        yield f"{_SIGNS[check.state]}  {check.name:<9} {check.said}"
        for issue in check.issues:
            place = " ".join(part for part in (issue.at, f"line {issue.line}" if issue.line else "") if part)
            yield f"           {issue.code} {f'{place}: ' if place else ''}{issue.text()}"
            if issue.severity != "information":
                yield f"                 {issue.help()}"
    yield "The adapter can start." if is_fit else "The adapter cannot start."


def _document(checks: list[Check], *, is_fit: bool) -> dict[str, Any]:
    return {
        "fit": is_fit,
        "checks": [
            {
                "name": check.name,
                "state": check.state,
                "said": check.said,
                "issues": [
                    {
                        "code": issue.code,
                        "severity": issue.severity,
                        "at": issue.at,
                        "line": issue.line,
                        "text": issue.text(),
                        "help": issue.help(),
                    }
                    for issue in check.issues
                ],
            }
            for check in checks
        ],
    }
