"""The docs draw their tables from the code, and are redrawn with it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
CODE = re.compile(r"``.*?``|`[^`]*`")
LINK = re.compile(r"\]\(([^)#]*)(?:#([^)]*))?\)")


def test_the_drawn_tables_are_true():
    """No page shows a state or a finding that the code does not have (`python tools/draw_tables.py`)."""
    check = subprocess.run(
        [sys.executable, "tools/draw_tables.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert check.returncode == 0, check.stdout + check.stderr


def test_every_link_of_the_reference_leads_somewhere():
    """A page links to files that are there, and to places on pages that have them."""
    lost = []
    for page in sorted(REFERENCE.rglob("*.md")):
        for file, place in LINK.findall(CODE.sub("", page.read_text("utf-8"))):
            target = (page.parent / file).resolve() if file else page
            if not target.exists() or (place and f'<a id="{place}">' not in target.read_text("utf-8")):
                lost.append((page.relative_to(REFERENCE).as_posix(), file, place))

    assert lost == []


def test_every_definition_has_a_finnish_and_a_swedish_term():
    """What has a row in the index has a line in `tools/reference_terms.toml`, and each line a row."""
    index = (REFERENCE / "README.md").read_text("utf-8")
    terms = tomllib.loads((ROOT / "tools" / "reference_terms.toml").read_text("utf-8"))
    listed = {Path(file).stem if file != "extensions.md" else place for file, place in LINK.findall(index)}
    pages = {"valuesets", "tables", "messages", "extensions", ""}

    assert sorted(listed - set(terms) - pages) == []
    assert all(set(one) == {"fi", "sv"} for one in terms.values())
