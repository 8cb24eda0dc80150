"""kill -9 at any moment: nothing accepted is lost, repeats are byte-identical, lanes keep their order."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from adapter.errors import StoreError
from tests.relay import torture
from tests.relay.world import open_store, settle_on

if TYPE_CHECKING:
    from pathlib import Path

    from tests.relay.cluster import Cluster

KILLS = int(os.environ.get("SILTA_KILLS", "20"))
SECONDS_TO_RESTART = 10.0
"""Half a second on a machine with nothing else to do; this one may have ten processes for two cores. The
figures of `make torture` are held against 2 s."""


def check(folder: Path, kills: int, victims: int = 1) -> None:
    """Kill with a fresh seed, and say the seed; shown when the test fails."""
    seed = torture.seed()
    sys.stdout.write(f"SILTA_SEED={seed} SILTA_KILLS={kills}\n")
    found = torture.kill_and_count(folder, kills, seed, victims)
    sys.stdout.write(f"{found}\n")
    assert found.accepted > kills
    assert found.restart_seconds < SECONDS_TO_RESTART
    assert found.faults == {}


@pytest.mark.timeout(180)
def test_q4_a_killed_relay_loses_nothing(tmp_path: Path) -> None:
    """SIGKILL at random moments under load: 0 lost, repeats byte-identical, order kept, audit chain whole."""
    check(tmp_path, KILLS)


@pytest.mark.timeout(180)
def test_a_relay_killed_on_postgresql_loses_nothing(tmp_path: Path, durable: Cluster) -> None:
    """The same on PostgreSQL."""
    settle_on(tmp_path, durable.database())
    check(tmp_path, KILLS)


@pytest.mark.timeout(180)
def test_three_relays_on_one_postgresql_killed_in_turn_lose_nothing(tmp_path: Path, durable: Cluster) -> None:
    """Two go on while the third is dead: they take its lanes over, and every sender's order is kept."""
    settle_on(tmp_path, durable.database())
    check(tmp_path, 9, victims=3)


def test_the_lock_of_a_killed_process_is_no_stale_lock(tmp_path: Path) -> None:
    """The file stays behind a SIGKILL, the lock does not: the next start has the store at once."""
    script = (
        "import sys; from pathlib import Path; from tests.relay.world import open_store\n"
        "store = open_store(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=torture.ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(StoreError, match="ST101"):
            open_store(tmp_path)
        holder.kill()
    assert (tmp_path / "silta.db.lock").exists()
    open_store(tmp_path).close()


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_relays_killed_a_thousand_times_lose_nothing() -> None:
    """All of it a thousand times, or as often as SILTA_KILLS says: `make torture`."""
    assert torture.main(int(os.environ.get("SILTA_KILLS", "1000"))) == 0
