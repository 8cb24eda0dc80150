"""The documentation holds: every console block runs as it stands, every data block parses.

A ```console block is a row of `$ command` lines with what they print. All commands of one page run in one
shell session of its own, from the repository's root with `.venv/bin` on PATH, so that a page may make a
folder and use it. `...` as a line stands for any lines, within a line for any text. A block after the comment
`<!-- not run: reason -->` is left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SECONDS_PER_PAGE = 120

_BLOCK = re.compile(
    r"(?P<skip><!-- not run: [^>]+ -->\n+)?^```(?P<kind>console|toml|json)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    kind: str
    body: str

    @property
    def id(self) -> str:
        """`docs/page.md:12`."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def blocks(page: Path, *kinds: str) -> list[Block]:
    """Return the blocks of these kinds that are to hold."""
    text = page.read_text("utf-8")
    return [
        Block(
            page=page, line=text.count("\n", 0, match.start("body")), kind=match["kind"], body=match["body"]
        )
        for match in _BLOCK.finditer(text)
        if match["kind"] in kinds and not match["skip"]
    ]


def commands(body: str) -> list[tuple[str, list[str]]]:
    """Return each command of a console block with the lines expected of it; a backslash continues it."""
    found: list[tuple[str, list[str]]] = []
    is_going_on = False
    for line in body.splitlines():
        if is_going_on:
            command, expected = found[-1]
            found[-1] = (f"{command}\n{line}", expected)
        elif line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
        is_going_on = line.endswith("\\") and (is_going_on or line.startswith("$ "))
    return found


def matches(expected: list[str], printed: list[str]) -> bool:
    """Say whether what was printed is what the page shows."""
    pattern = "\n".join(
        r"(?:.*\n)*?.*" if line.strip() == "..." else ".*".join(map(re.escape, line.rstrip().split("...")))
        for line in expected
    )
    return re.fullmatch(pattern, "\n".join(line.rstrip() for line in printed)) is not None


def test_an_ellipsis_stands_for_anything() -> None:
    """A line `...` matches any lines, `...` within a line any text, and nothing else is loose."""
    printed = ["one 17 ms", "two", "three"]

    assert matches(["one ... ms", "...", "three"], printed)
    assert not matches(["one ... ms", "three"], printed)


def run_in_shell(script: str, environment: dict[str, str]) -> str:
    """Run a script in bash and return what it printed; what it left running is ended."""
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=ROOT,
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as shell:
        try:
            printed, _ = shell.communicate(timeout=SECONDS_PER_PAGE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)
    return printed.decode("utf-8", "replace")


PAGES_THAT_RUN = [page for page in PAGES if blocks(page, "console")]
DATA = [block for page in PAGES for block in blocks(page, "toml", "json")]


@pytest.mark.parametrize("page", PAGES_THAT_RUN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_shows_is_what_happens(page: Path, tmp_path: Path) -> None:
    """Each command of the page prints what the page says, one after the other in one shell."""
    steps = [(block, *step) for block in blocks(page, "console") for step in commands(block.body)]
    mark = "--- end of step"
    script = "\n".join(f"{command}\necho '{mark}'" for _block, command, _expected in steps)
    home = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "DOCS": str(tmp_path)}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    printed = run_in_shell(script, {**os.environ, **home, "PATH": path}).split(f"{mark}\n")
    wrong = [
        f"{block.id}\n$ {command}\nexpected:\n{chr(10).join(expected)}\nprinted:\n{output}"
        for (block, command, expected), output in zip(steps, printed, strict=False)
        if not matches(expected, output.splitlines())
    ]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("block", DATA, ids=lambda block: block.id)
def test_a_data_block_parses(block: Block) -> None:
    """TOML and JSON on a page are what they say they are."""
    reader = tomllib.loads if block.kind == "toml" else json.loads

    assert reader(block.body) is not None
