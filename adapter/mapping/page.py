"""Lineage as one HTML page: source and result side by side; pointing at one lights the other.

The page holds what the source and the result say, so it is to be treated as they are. It loads nothing from
anywhere: its policy forbids it, and everything it needs stands in it.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from adapter.fhir.types import r4
from adapter.mapping.nodes import leaves, watch
from adapter.mapping.notes import place_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.mapping.accounting import Accounting
    from adapter.mapping.lineage import Lineage, Step
    from adapter.mapping.nodes import Item, Origin, SourceTree
    from adapter.mapping.run import Outcome

_PARTS = ".-/[@"
"""What may follow the name of a place in the name of a place inside of it."""
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width">
<title>Lineage</title>
<style>
:root { color-scheme: light dark; font: 14px/1.5 ui-monospace, monospace }
body { margin: 0; display: grid; grid-template-columns: 1fr 1fr; height: 100vh }
section { overflow: auto; padding: 0 1rem 1rem; border-inline-start: 1px solid #8886 }
h1 { font-size: 1rem; position: sticky; top: 0; background: Canvas; margin: 0; padding: .5rem 0 }
p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere }
[data-l] { cursor: pointer }
.place, .rule { opacity: .65 }
.unaccounted, .outside { text-decoration: underline wavy #c60 }
.lit { background: #fd08; outline: 1px solid #b80 }
</style>
</head>
<body>
"""
_SCRIPT = """<script>
const all = [...document.querySelectorAll('[data-l]')];
const light = event => {
  const one = event.target.closest('[data-l]');
  if (!one) return;
  const links = new Set(one.dataset.l.split(' '));
  for (const other of all) {
    const lit = other.dataset.l.split(' ').some(link => links.has(link));
    other.classList.toggle('lit', lit);
    if (lit && event.type === 'click' && !one.closest('section').contains(other))
      other.scrollIntoView({block: 'nearest'});
  }
};
for (const kind of ['pointerover', 'focusin', 'click']) document.addEventListener(kind, light);
</script>
</body>
</html>
"""


def page(tree: SourceTree, outcome: Outcome) -> str:
    """Write the page for a run over `tree` with lineage."""
    lineage, accounting = outcome.lineage, outcome.accounting
    if lineage is None or accounting is None:
        return ""
    numbers = {id(step): number for number, step in enumerate(lineage)}
    left = "\n".join(_source(tree, lineage, accounting, numbers))
    right = "\n".join(
        line for resource in outcome.resources for line in _resource(resource, lineage, numbers)
    )
    return (
        f"{_HEAD}<section><h1>Source</h1>\n{left}\n</section>\n"
        f"<section><h1>Result</h1>\n{right}\n</section>\n{_SCRIPT}"
    )


# The source


def _source(
    tree: SourceTree, lineage: Lineage, accounting: Accounting, numbers: dict[int, int]
) -> Iterator[str]:
    """Yield a line for each leaf: place, what it says, what became of it."""
    said: dict[str, list[str]] = {}
    for origin in leaves(watch(tree.root, [])):
        said.setdefault(place_in(tree, origin), []).append(_value(origin))
    links = _links(lineage, numbers)
    for entry in accounting:
        value = said.get(entry.place) or [""]
        text = value.pop(0) if len(value) > 1 else value[0]
        found = sorted({number for name in _around(entry.place) for number in links.get(name, ())})
        why = entry.fate + (f": {entry.reason}" if entry.reason else "")
        yield (
            f'<p class="{entry.fate}" title="{escape(why)}"{_linked(found)}>'
            f'<span class="place">{escape(entry.place)}</span>  {escape(text)}</p>'
        )


def _value(origin: Origin) -> str:
    node, key, index = origin
    value: Item = dict.get(node, key or "")
    return str(value[index] if index is not None else value)


def _links(lineage: Lineage, numbers: dict[int, int]) -> dict[str, list[int]]:
    """By place of the source, the numbers of the steps that read it."""
    found: dict[str, list[int]] = {}
    for step in lineage:
        for place in step.sources:
            found.setdefault(place, []).append(numbers[id(step)])
    return found


def _around(place: str) -> Iterator[str]:
    """Yield a place and every place around it, as a part that is copied whole takes all its leaves along."""
    yield place
    for at in range(len(place) - 1, 0, -1):
        if place[at] in _PARTS:
            yield place[:at]


def _linked(numbers: list[int]) -> str:
    return f' tabindex="0" data-l="{" ".join(map(str, numbers))}"' if numbers else ""


# The result


def _resource(resource: dict[str, Item], lineage: Lineage, numbers: dict[int, int]) -> Iterator[str]:
    root = str(resource.get("resourceType") or "")
    yield from _Result(lineage, numbers).lines(resource, root, root, 0, "", "")


class _Result:
    """Walks a result and its paths together."""

    def __init__(self, lineage: Lineage, numbers: dict[int, int]) -> None:
        self.lineage = lineage
        self.numbers = numbers
        self.types = r4()

    def lines(self, value: Item, path: str, kind: str, depth: int, head: str, tail: str) -> Iterator[str]:
        indent = "  " * depth
        if isinstance(value, (dict, list)):
            opening, closing = "{}" if isinstance(value, dict) else "[]"
            yield f"<p>{indent}{head}{opening}</p>"
            yield from self.parts(value, path, kind, depth + 1)
            yield f"<p>{indent}{closing}{tail}</p>"
            return
        step = self.lineage.step(path)
        said = f'"{value}"' if isinstance(value, str) else _plain(value)
        words, link = ("", "") if step is None else (_words(step), _linked([self.numbers[id(step)]]))
        yield f'<p{link} title="{escape(words)}">{indent}{head}{escape(said)}{tail}</p>'

    def parts(self, value: Item, path: str, kind: str, depth: int) -> Iterator[str]:
        last = len(value) - 1
        if isinstance(value, list):
            for at, one in enumerate(value):
                yield from self.lines(one, f"{path}[{at}]", kind, depth, "", "," if at < last else "")
            return
        kind = str(value.get("resourceType") or kind)
        for at, (key, one) in enumerate(value.items()):
            found = self.types.property(kind, key)
            name, below = (found[0].name, found[1]) if found is not None else (key, "")
            head = f'<span class="place">"{escape(key)}"</span>: '
            yield from self.lines(one, f"{path}.{name}", below, depth, head, "," if at < last else "")


def _words(step: Step) -> str:
    """Say where a value comes from, on one line."""
    source = ", ".join(step.sources) or (f"({step.context})" if step.context else "-")
    return " ".join(filter(None, [source, f"{step.map}:{step.line}", step.rule, step.row]))


def _plain(value: Item) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
