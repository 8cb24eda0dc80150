"""What `silta map run --lineage html` and `--lineage provenance` write."""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapter.mapping.run import Outcome


def write(
    outcome: Outcome, body: bytes, options: dict[str, Any], *, form: str, map_url: str, output: str | None
) -> None:
    """Write the lineage of a run in `form`, to the file `output` or to standard output. Raises OSError."""
    made = _page(outcome, body, options) if form == "html" else _provenance(outcome, body, options, map_url)
    if output is not None:
        Path(output).write_bytes(made)
        return
    sys.stdout.buffer.write(made)
    sys.stdout.buffer.flush()


def _page(outcome: Outcome, body: bytes, options: dict[str, Any]) -> bytes:
    from adapter.mapping import readers
    from adapter.mapping.page import page

    tree = readers.read(body, options["media_type"], charset=options["charset"])
    return page(tree, outcome).encode()


def _provenance(outcome: Outcome, body: bytes, options: dict[str, Any], map_url: str) -> bytes:
    from adapter.fhir import json
    from adapter.mapping.provenance import provenance

    if outcome.lineage is None:
        return b""
    made = provenance(
        outcome.lineage, outcome.resources[0], map_url=map_url,
        source_id=options["source_id"] or hashlib.sha256(body).hexdigest(),
        recorded=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
    return json.write(made, pretty=True) + b"\n"
