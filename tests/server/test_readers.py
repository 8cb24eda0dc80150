"""Processes that read originals: the same as is read here, and what one original does to the others."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.patience import PATIENCE
from tests.server.reading import SECRET

TOO_COSTLY = {"error": "TooCostly", "code": "IN124", "at": None, "line": None}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """The program that had them read, once for all."""
    place = tmp_path_factory.mktemp("reading")
    return subprocess.run(
        [sys.executable, "-m", "tests.server.reading", str(place)],
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        check=True,
    )


@pytest.fixture(scope="module")
def found(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What came of each trial."""
    return json.loads(ran.stdout)  # type: ignore[no-any-return]


def test_every_shipped_message_is_read_as_it_is_read_here(found: dict[str, Any]) -> None:
    """Content, facts, findings, digest, lineage: nothing is lost on the way between processes."""
    assert [name for name, is_same in found["same"].items() if not is_same] == []
    assert len(found["same"]) > 20


def test_one_process_reads_one_original_after_the_other(found: dict[str, Any]) -> None:
    """It is not this one, and no second is started without need."""
    wayward = found["wayward"]

    assert wayward["first"] == wayward["second"] != wayward["ours"]


@pytest.mark.parametrize("how", ["toil", "hoard", "crash"])
def test_an_original_beyond_its_bounds_is_told_so_and_hurts_no_other(found: dict[str, Any], how: str) -> None:
    """Endless work, memory without end, and a crash all end the process alone."""
    wayward = found["wayward"]

    assert wayward[how] == TOO_COSTLY
    assert wayward[f"after {how}"] not in (wayward["ours"], wayward["first"])


def test_a_process_that_died_for_another_reason_costs_no_original(found: dict[str, Any]) -> None:
    """What died with it is read by the next; one that waited is passed over."""
    wayward = found["wayward"]

    assert wayward["stumble"] == wayward["after stumble"] != wayward["after fall"]
    assert isinstance(wayward["after a kill"], int)
    assert wayward["after a kill"] != wayward["after err"]


def test_what_the_machine_kills_is_not_the_senders_fault(found: dict[str, Any]) -> None:
    """Whoever sent it comes again."""
    wayward = found["wayward"]

    assert wayward["fall"] == {"error": "StoreError", "code": "IN112", "at": None, "line": None}
    assert wayward["after fall"] not in (wayward["ours"], wayward["after crash"])


def test_what_reads_has_no_network(found: dict[str, Any]) -> None:
    """A reader that is talked into calling somewhere cannot."""
    assert found["wayward"]["call"] == {"error": "ReadingError", "text": "PermissionError"}


def test_findings_of_the_content_come_across_whole(found: dict[str, Any]) -> None:
    """Class, code and place of what cannot be read; the process lives on."""
    wayward = found["wayward"]

    assert wayward["refuse"] == {"error": "Malformed", "code": "SR101", "at": "MSH", "line": 3}
    assert wayward["after refuse"] == wayward["after call"]


def test_an_error_of_ours_comes_across_without_its_words(
    ran: subprocess.CompletedProcess[str], found: dict[str, Any]
) -> None:
    """Its words may quote a patient: the log has its class and where it happened."""
    assert found["wayward"]["err"] == {"error": "ReadingError", "text": "KeyError"}
    assert SECRET not in ran.stderr
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert {"reading-failed", "reading-ended"} <= {line["event"] for line in lines}


def test_without_those_that_start_them_this_process_reads(
    ran: subprocess.CompletedProcess[str], found: dict[str, Any]
) -> None:
    """Nobody is turned away, and the log says it once."""
    assert found["orphans"]["read by"] == found["orphans"]["ours"]
    assert ran.stderr.count("reading-processes-lost") == 2  # the other time the folder had changed again


def test_new_maps_are_taken_over_only_as_they_were_judged(found: dict[str, Any]) -> None:
    """A version is used when this process uses it; one that came in between is used nowhere."""
    renewed = found["renewed"]

    assert renewed["unseen"] == renewed["before"] != renewed["after"]
    assert renewed["not judged"] == renewed["after"]
    assert renewed["here"]
    assert renewed["there again"]


def test_they_are_gone_when_they_are_let_go(found: dict[str, Any]) -> None:
    """Neither those that read nor who starts them outlives the deployment, whether it stops or is killed."""
    assert found["wayward"]["let go"] is True
    assert found["killed"] is True
