"""An arrival as lines a person reads at a terminal. Identity codes are masked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.conformance.actors import judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from adapter.conformance.actors.inbox import Received


def lines(record: Received) -> Iterator[str]:
    """Yield an arrival as lines a person reads at a terminal."""
    said = record.summary()
    clock = record.at.astimezone().strftime("%H:%M:%S")
    what = said["event"] or ("unreadable" if record.bundle is None else "message")
    level = f", {said['level']} level" if said["level"] else ""
    yield f"{clock}  got {what}{level} from {said['sender'] or 'somebody who does not say'}"
    if record.bundle is not None:
        yield f"          Bundle {said['bundle']}, MessageHeader {said['header']}"
        yield from (f"          {line}" for line in contents(record.bundle))
    for issue in record.issues:
        yield f"          {issue.severity} {issue.code}  {issue.at or ''}  {issue.text()}"
    if record.repeat_of is not None:
        same = "the same bytes" if record.same_bytes else "OTHER BYTES"
        yield f"          a repeat of number {record.repeat_of} with {same}"
    yield f"          answered: {record.answered} (HTTP {record.status})"


def contents(bundle: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a person would want to know of a message: patient, procedure, leave, texts."""
    for _, resource in judge.resources(bundle):
        teller = _TELLERS.get(str(resource.get("resourceType")))
        if teller is None:
            continue
        try:
            yield from list(teller(resource))
        except (AttributeError, TypeError, LookupError):
            yield f"{resource.get('resourceType')}: not of the shape that FHIR gives it"


def _patient(resource: Mapping[str, Any]) -> Iterator[str]:
    names = resource.get("name") or [{}]
    name = " ".join([*names[0].get("given", ()), names[0].get("family", "")]).strip()
    codes = [judge.masked(str(one.get("value", ""))) for one in resource.get("identifier") or ()]
    yield f"patient      {name or '(no name)'} {' '.join(codes)}"


def _coded(label: str) -> Callable[[Mapping[str, Any]], Iterator[str]]:
    def tell(resource: Mapping[str, Any]) -> Iterator[str]:
        concept = resource.get("code") or {}
        codings = [str(coding.get("code", "")) for coding in concept.get("coding") or ()]
        when = resource.get("performedDateTime") or (resource.get("performedPeriod") or {}).get("end", "")
        yield f"{label:<12} {' '.join(codings)} {concept.get('text', '')} {when}".rstrip()

    return tell


def _leave(resource: Mapping[str, Any]) -> Iterator[str]:
    period = resource.get("effectivePeriod") or {}
    if period:
        yield f"sick leave   {period.get('start', '?')} to {period.get('end', '?')}"


def _texts(resource: Mapping[str, Any]) -> Iterator[str]:
    yield f"message      {resource.get('status')}"
    for reason in (resource.get("statusReason") or {}).get("coding") or ():
        yield f"reason       {reason.get('code')}"
    for payload in resource.get("payload") or ():
        if "contentString" in payload:
            yield f"text         {payload['contentString']}"


def _outcome(resource: Mapping[str, Any]) -> Iterator[str]:
    for issue in resource.get("issue") or ():
        yield f"{issue.get('severity', ''):<12} {(issue.get('details') or {}).get('text', '')}"


def _answer(resource: Mapping[str, Any]) -> Iterator[str]:
    if "response" in resource:
        yield f"response     {resource['response'].get('code')} to {resource['response'].get('identifier')}"


_TELLERS: dict[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "MessageHeader": _answer,
    "Patient": _patient,
    "Procedure": _coded("procedure"),
    "Condition": _coded("diagnosis"),
    "ServiceRequest": _coded("request"),
    "Observation": _leave,
    "Communication": _texts,
    "OperationOutcome": _outcome,
}
