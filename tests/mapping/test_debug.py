"""The debug trace of a run, as the mapping language guide has it."""

# ruff: noqa: E501 (a case reads best on one line)

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapter.cli import main
from adapter.errors import TooCostly
from adapter.mapping.debug import DebugTrace
from tests.mapping.conftest import JSON, V2, to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapter.mapping.map import Map

NAMES = (
    'uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source\n'
    + to("Basic")
    + "group Main(source src : Patient, target tgt : Basic) {\n"
    "  src.name as n log ('named ' & n.family) -> tgt.extension as e then Name(n, e) \"names\";\n"
    "  src.contact as c -> tgt.created = '2020' \"contact\";\n}\n"
    'group Name(source n, target e) { /* 😀 */ n.family as f -> e.url = f "family"; }\n'
)
PATIENT = b'{"resourceType": "Patient", "name": [{"family": "A"}, {"family": "B"}]}'


def traced(one: Map, body: bytes, media_type: str = "application/fhir+json", **limits: int) -> dict[str, Any]:
    trace = DebugTrace(**limits)
    return trace.parameters(one.run(body, media_type=media_type, debug=trace))


def valued(part: dict[str, Any]) -> Any:
    return next(value for key, value in part.items() if key != "name")


def events(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Each event as a dict, its variables by name."""
    found = []
    for parameter in parameters["parameter"]:
        if parameter["name"] == "trace":
            event = {one["name"]: valued(one) for one in parameter["part"] if one["name"] != "variable"}
            seen = [one["part"] for one in parameter["part"] if one["name"] == "variable"]
            event["seen"] = {valued(parts[0]): {one["name"]: valued(one) for one in parts} for parts in seen}
            found.append(event)
    return found


def test_groups_and_rules_are_entered_and_left_and_each_step_is_told(one: Callable[..., Map]) -> None:
    """Events come in the order of the run; a source that gives nothing is a step, too."""
    shown = events(traced(one(NAMES), PATIENT))

    told = [
        (at["depth"], at["phase"], at["expressionPosition"].removeprefix("StructureMap.")) for at in shown
    ]
    name = [
        (2, "step", "group[0].rule[0].source[0]"),
        (2, "step", "group[0].rule[0].target[0]"),
        (2, "enter", "group[1]"),
        (3, "enter", "group[1].rule[0]"),
        (4, "step", "group[1].rule[0].source[0]"),
        (4, "step", "group[1].rule[0].target[0]"),
        (3, "exit", "group[1].rule[0]"),
        (2, "exit", "group[1]"),
    ]
    assert told == [
        (0, "enter", "group[0]"), (1, "enter", "group[0].rule[0]"), *name, *name, (1, "exit", "group[0].rule[0]"),
        (1, "enter", "group[0].rule[1]"), (2, "step", "group[0].rule[1].source[0]"), (1, "exit", "group[0].rule[1]"),
        (0, "exit", "group[0]"),
    ]  # fmt: skip


def test_variables_are_what_they_were_at_that_moment(one: Callable[..., Map]) -> None:
    """What is read has its path in the source; what is made has the content of then, and its later path."""
    shown = events(traced(one(NAMES), PATIENT))

    filled = [at["seen"] for at in shown if at["expressionPosition"].endswith("group[1].rule[0].target[0]")]
    assert filled[1] == {
        "n": {"name": "n", "contextType": "input", "path": "Patient.name[1]", "dataType": "HumanName"},
        "e": {"name": "e", "contextType": "output", "jsonValue": '{"url":"B"}', "path": "Basic.extension[1]", "dataType": "Extension"},
        "f": {"name": "f", "contextType": "input", "value": "B", "path": "Patient.name[1].family", "dataType": "string"},
    }  # fmt: skip
    results = [at["seen"]["tgt"]["resource"].get("extension") for at in shown if "tgt" in at["seen"]]
    assert [len(one or ()) for one in results] == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2]


def test_text_positions_count_rows_and_utf16_columns_from_zero(one: Callable[..., Map]) -> None:
    """An editor can show the range as it is."""
    shown = events(traced(one(NAMES), PATIENT))

    at = next(at for at in shown if at["expressionPosition"].endswith("group[1].rule[0].source[0]"))
    assert at["source"] == "urn:test:the"
    line = ("/// url\n/// name\n" + NAMES).splitlines()[at["startRow"]].encode("utf-16-le")
    assert line[2 * at["startColumn"] : 2 * at["endColumn"]].decode("utf-16-le") == "n.family as f"


def test_log_and_result_are_part_of_the_trace(one: Callable[..., Map]) -> None:
    """What `log` says stands at its event; the result stands under `return`."""
    parameters = traced(one(NAMES), PATIENT)

    assert [at["message"] for at in events(parameters) if "message" in at] == [
        [{"name": "text", "valueString": "named A"}], [{"name": "text", "valueString": "named B"}],
    ]  # fmt: skip
    assert parameters["parameter"][:2] == [
        {"name": "return", "resource": {"resourceType": "Basic", "extension": [{"url": "A"}, {"url": "B"}]}},
        {"name": "traceStatus", "valueCode": "complete"},
    ]


def test_a_trace_past_its_limit_keeps_the_first_events(one: Callable[..., Map]) -> None:
    """The run goes on; the status tells."""
    parameters = traced(one(NAMES), PATIENT, events_at_most=4)

    assert len(events(parameters)) == 4
    assert parameters["parameter"][1] == {"name": "traceStatus", "valueCode": "truncated"}


def test_an_id_given_by_a_pointer_is_seen_at_once(one: Callable[..., Map]) -> None:
    """A transform that changes another variable than the one it fills leaves nothing stale."""
    found = one(
        V2 + to("Bundle") + "group G(source msg : V2, target bundle : Bundle) {\n"
        "  msg.PID as pid -> bundle.entry as e, e.resource = create('Patient') as patient,"
        ' e.fullUrl = pointer(patient) "patient";\n}\n'
    )
    shown = events(
        traced(found, b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|T|2.5\rPID|1||5\r", "application/hl7-v2")
    )

    last = next(at["seen"] for at in shown if at["expressionPosition"].endswith("target[2]"))
    assert last["patient"]["resource"]["id"] == last["e"]["jsonValue"].split("urn:uuid:")[1][:36]
    assert last["pid"]["path"] == "V2.PID"


ENDLESS = (
    JSON
    + to("Basic")
    + 'group G(source src : Json, target tgt : Basic) { src -> tgt then G(src, tgt) "again"; }\n'
)


def test_a_run_without_end_leaves_a_stopped_trace(one: Callable[..., Map]) -> None:
    """What was traced until then can be told, with the reason."""
    trace = DebugTrace()

    with pytest.raises(TooCostly) as raised:
        one(ENDLESS).run(b"{}", media_type="application/json", debug=trace)

    parameters = trace.stop(raised.value)
    assert parameters["parameter"][0] == {"name": "traceStatus", "valueCode": "stopped"}
    assert parameters["parameter"][-1]["resource"]["issue"][0]["code"] == "too-costly"


@pytest.mark.parametrize(
    ("text", "body", "code", "status"),
    [(NAMES, PATIENT, 0, "complete"), (ENDLESS, b"{}", 1, "stopped")],
    ids=["whole", "endless"],
)
def test_the_command_line_writes_the_trace(
    folder: Callable[..., Path],
    tmp_path: Path,
    text: str,
    body: bytes,
    code: int,
    status: str,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """`silta map run --trace FILE`, also where the run comes to no end."""
    place = folder({"the.map": "/// url = 'urn:test:the'\n/// name = 'the'\n" + text})
    source, out = tmp_path / "source.json", tmp_path / "trace.json"
    source.write_bytes(body)

    assert (
        main(["map", "run", str(source), "--map", "the", "--maps", str(place), "--trace", str(out)]) == code
    )

    parameters = json.loads(out.read_bytes())["parameter"]
    assert {"name": "traceStatus", "valueCode": status} in parameters
    assert (b"Basic" in capfdbinary.readouterr().out) is (code == 0)
