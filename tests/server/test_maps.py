"""Maps of a running adapter: which are in use, and new versions taken over."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapter import cli
from adapter.server import maps
from adapter.shipped import folder
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server.conftest import Served, Silta

WARD = """/// url = 'urn:test:ward'
/// name = 'ward-by-hand'
uses "https://silta.example/fhir/StructureDefinition/json-document" alias Json as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as target
group Ward(source src : Json, target tgt : Patient) {
  src.sex as s -> tgt.gender = s "sex";
}
"""


@pytest.fixture
def own(adapter: Served, silta: Silta) -> Iterator[Path]:
    """The deployment's folder of maps; what a test adds is gone afterwards."""
    place = adapter.deployment.settings.maps
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    yield place
    for path in [path for path in place.rglob("*") if path.is_file() and path not in before]:
        path.unlink()
    silta("map", "reload", "--reason", "the test is over")


def names(adapter: Served) -> dict[str, str]:
    found = adapter.get("/operator/maps", **adapter.headers("operator")).json()
    return {one["name"]: one["version"] for one in found["items"]}


def test_an_operator_has_a_new_version_taken_over(adapter: Served, silta: Silta, own: Path) -> None:
    """The map is in use at once, and the audit knows who asked, why, and which version it is."""
    (own / "ward.map").write_text(WARD)

    code, said = silta("map", "reload", "--reason", "new ward")

    version = names(adapter)["ward-by-hand"]
    assert (code, said["outcome"], said["changed"]) == (0, "swapped", ["ward-by-hand"])
    row = next(row for row in adapter.deployment.store.audit_rows(object="maps") if row.reason == "new ward")
    assert (row.action, row.object) == ("reload", "maps")
    assert row.pairs == (("ward-by-hand", version),)


def test_a_refused_version_is_told_with_all_its_faults(
    adapter: Served, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each fault has its place and its help, and what was in use stays in use."""
    before = names(adapter)
    (own / "ward.map").write_text(WARD.replace("tgt.gender", "tgt.gander").replace("as source", "as surce"))
    token = str(adapter.folder / "tokens" / "operator.token")
    words = ["--reason", "try", "--server", adapter.address, "--token-file", token]

    code = cli.main(["map", "reload", *words])

    said = capsys.readouterr().out
    assert code == 1
    assert "MP101  ward.map:3  " in said
    assert "MP207  ward.map:6  " in said
    assert "help: " in said
    assert names(adapter) == before


def test_how_often_maps_were_read_again_is_measured(adapter: Served, silta: Silta, own: Path) -> None:
    """A refused version is seen by whoever watches the figures."""

    def refused() -> float:
        lines = adapter.get("/metrics").text.splitlines()
        found = next(line for line in lines if line.startswith('silta_map_reloads_total{outcome="refused"}'))
        return float(found.split()[-1])

    before = refused()
    (own / "ward.map").write_text("nothing")
    silta("map", "reload", "--reason", "try")

    assert refused() == before + 1


def test_the_version_that_mapped_a_message_is_shown(
    adapter: Served, silta: Silta, capsys: pytest.CaptureFixture[str]
) -> None:
    """`messages show` names the map and its version, as the list of maps has it."""
    body = (folder("fixtures") / "notification" / "too-old.hl7").read_bytes()
    answer = adapter.post("/ingest/ehr1", body, "x-application/hl7-v2+er7")
    assert answer.status_code == 200, answer.text
    store = adapter.deployment.store
    message = next(row.id for row in store.messages(limit=50) if "map" in row.extra)

    _, said = silta("messages", "show", message)

    name = said["extra"]["map"]
    assert said["extra"]["map_version"] == names(adapter)[name]
    token = str(adapter.folder / "tokens" / "operator.token")
    cli.main(["messages", "show", message, "--server", adapter.address, "--token-file", token])
    assert f"mapped by {name}  version {names(adapter)[name][:12]}" in capsys.readouterr().out


def test_a_watched_folder_is_read_when_it_has_come_to_rest(adapter: Served, own: Path) -> None:
    """What has changed is taken over without anybody saying so."""
    from adapter.config.build import reloader_of

    reloader = reloader_of(adapter.deployment)

    async def watched() -> bool:
        stop = asyncio.Event()
        watching = asyncio.create_task(maps.watch(reloader, adapter.deployment.relay, stop, every=0.02))
        await asyncio.sleep(0.05)
        (own / "ward.map").write_text(WARD)
        for _ in range(int(PATIENCE / 0.02)):
            if "ward-by-hand" in adapter.deployment.relay.maps:
                break
            await asyncio.sleep(0.02)
        stop.set()
        await watching
        return "ward-by-hand" in adapter.deployment.relay.maps

    assert asyncio.run(watched())


def test_a_served_process_reads_its_maps_again_on_sighup(tmp_path: Path) -> None:
    """The log says what came of it, and the process goes on."""
    from adapter.cli import site

    place = tmp_path / "site"
    file = site.make(
        place, site.Places(listen="127.0.0.1:0", oh="http://127.0.0.1:9", hospital="http://127.0.0.1:9")
    )
    log = tmp_path / "log"
    with log.open("wb") as out:
        words = [sys.executable, "-m", "adapter.cli", "serve", "--config", str(file)]
        process = subprocess.Popen(
            words, stderr=out, env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
        )

    def wait_for(event: str) -> Any:
        for _ in range(1800):
            if (
                line := next((one for one in log.read_text().splitlines() if f'"{event}"' in one), None)
            ) is not None:
                return line
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        raise AssertionError(log.read_text())

    try:
        wait_for("serving")
        (place / "maps" / "ward.map").write_text(WARD)
        process.send_signal(signal.SIGHUP)
        line = wait_for("maps-reloaded")
    finally:
        process.terminate()
        process.wait(30)

    assert '"swapped"' in line
    assert "ward-by-hand" in line
    assert process.returncode == 0
