"""Tree to text: one layout for all maps, every comment kept, the same text again when printed twice.

A rule stands on one line as long as it fits, else its targets go on lines of their own. Expressions and
literals are written as they were where the text is known, because their layout is their author's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter.fhirpath.printer import print_tree
from adapter.fhirpath.tree import NOWHERE, Literal, Member, Unary
from adapter.mapping.fml.tree import Expression, Invocation, MapFile, Name, Written

if TYPE_CHECKING:
    from adapter.fhirpath.tree import Span, Tree
    from adapter.mapping.fml.tree import (
        CodeRow,
        CodeTable,
        Constant,
        Group,
        Metadata,
        Node,
        Rule,
        Source,
        Target,
        Transform,
    )

WIDTH = 120
SINGLE, DOUBLE = "'", '"'
INDENT = "  "
SIGNS = {
    "relatedto": "-", "equal": "=", "equivalent": "==", "subsumes": "<=", "specializes": ">=",
    "narrower": ">-",
    "inexact": "~", "unmatched": "--", "disjoint": "!=",
}  # fmt: skip
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*", re.ASCII)
_TO_ESCAPE = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"})


def print_map(file: MapFile) -> str:
    """Write `file` anew. Parsing the result gives an equal tree, printing that the same text."""
    return _Printer(file).all()


def snippets(file: MapFile) -> _Printer:
    """Give what writes single parts of a map."""
    return _Printer(file)


def quoted(text: str, mark: str = SINGLE) -> str:
    """Write a text in quotes, escaped."""
    written = text.translate(_TO_ESCAPE)
    return f"'{written}'" if mark == SINGLE else '"' + written.replace("\\'", "'").replace('"', '\\"') + '"'


def delimited(name: str) -> str:
    """Write a name, in backquotes where it is not a plain word."""
    if _PLAIN.fullmatch(name):
        return name
    return "`" + name.translate(_TO_ESCAPE).replace("\\'", "'").replace("`", "\\`") + "`"


class _Printer:
    def __init__(self, file: MapFile) -> None:
        self.file = file
        self.content = file.text.content
        self.comments = list(file.comments)
        self.at = 0
        """The next comment to write."""
        self.inside: list[int] = []
        """Where comments stand that were written with the expression around them."""
        self.lines: list[str] = []
        self.last = 0
        """Offset where what was written last ended in the original text."""

    def all(self) -> str:
        file = self.file
        parts: list[tuple[int, Node, str]] = []
        parts += [(one.span.start, one, self.metadata(one)) for one in file.metadata]
        if file.has_map_line:
            self.map_line(parts)
        parts += [(one.span.start, one, "") for one in file.tables]
        for use in file.uses:
            alias = f" alias {self.name(use.alias)}" if use.alias else ""
            parts.append((use.span.start, use, f"uses {quoted(use.url, DOUBLE)}{alias} as {use.mode}"))
        parts += [(one.span.start, one, f"imports {quoted(one.url, DOUBLE)}") for one in file.imports]
        for constant in file.constants:
            parts.append((constant.span.start, constant, self.constant(constant)))
        parts += [(one.span.start, one, "") for one in file.groups]
        known = any(one.span is not NOWHERE for _, one, _ in parts)
        for _, node, text in sorted(parts, key=lambda part: part[0]) if known else parts:
            self.declaration(node, text)
        self.leading(len(self.content) + 1, "")
        return "\n".join(self.lines).strip("\n") + "\n"

    def head(self) -> str:
        """Write the map line and the metadata."""
        file = self.file
        lines = [self.metadata(one) for one in file.metadata]
        if file.has_map_line:
            lines.insert(0, self.map_text())
        return "\n".join(lines)

    def map_text(self) -> str:
        """Write the map line."""
        return f"map {quoted(self.file.url, DOUBLE)} = {quoted(self.file.name, DOUBLE)}"

    def constant(self, constant: Constant) -> str:
        """Write a `let`."""
        return f"let {self.name(constant.name)} = {self.expression(constant.value)};"

    def block(self, table: CodeTable) -> str:
        """Write a `conceptmap`, without the comments in it."""
        lines = [f"conceptmap {quoted(table.url, DOUBLE)} {{"]
        lines += [f"{INDENT}prefix {name} = {quoted(url, DOUBLE)}" for name, url in table.prefixes]
        lines += [f"{INDENT}unmapped for {name} = {mode}" for name, mode in table.unmapped]
        lines += [f"{INDENT}{self.row(row)}" for row in table.rows]
        return "\n".join([*lines, "}"])

    def map_line(self, parts: list[tuple[int, Node, str]]) -> None:
        """Add the old header line. Its place in the text is before everything but metadata."""
        from adapter.mapping.fml.tree import Node as Anything

        match = re.search(r"^\s*map\b", self.content, re.MULTILINE)
        start = match.end() - 3 if match else 0
        end = self.content.find("\n", start)
        from adapter.fhirpath.tree import Span

        span = Span(start, end if end >= 0 else len(self.content))
        parts.append((start, Anything(span=span), self.map_text()))

    def declaration(self, node: Node, text: str) -> None:
        from adapter.mapping.fml.tree import CodeTable, Group

        if isinstance(node, Group):
            self.group(node)
        elif isinstance(node, CodeTable):
            self.table(node)
        else:
            self.leading(node.span.start, "")
            self.line(text, "", node.span)

    # Lines and comments

    def leading(self, before: int, indent: str) -> None:
        """Write the comments that stand before offset `before`, and a blank line where one stood."""
        while self.at < len(self.comments) and self.comments[self.at].start < before:
            comment = self.comments[self.at]
            self.at += 1
            if comment.start in self.inside:
                self.last = max(self.last, comment.end)
                continue
            self.blank(comment.start)
            for line in comment.text.splitlines():
                self.lines.append(f"{indent}{line.strip()}" if line.strip() else "")
            self.last = comment.end
        self.blank(before)

    def blank(self, before: int) -> None:
        """Keep one empty line where the author left some."""
        gap = self.content[self.last : before]
        if self.lines and self.lines[-1] and not self.lines[-1].endswith("{") and gap.count("\n") > 1:
            self.lines.append("")

    def line(self, text: str, indent: str, span: Span) -> None:
        """Write a line, and behind it the comment that stood behind it."""
        self.lines.append(f"{indent}{text}")
        self.last = max(self.last, span.end)
        self.trailing(span.end)

    def trailing(self, end: int) -> None:
        while self.at < len(self.comments) and self.comments[self.at].start in self.inside:
            self.at += 1
        if self.at >= len(self.comments):
            return
        comment = self.comments[self.at]
        gap = self.content[end : comment.start]
        if comment.start >= end and "\n" not in gap and not gap.strip(" \t;") and "\n" not in comment.text:
            self.lines[-1] += f"  {comment.text.rstrip()}"
            self.at += 1
            self.last = comment.end

    # Declarations

    def metadata(self, entry: Metadata) -> str:
        value = entry.value
        if value is None:
            return f"/// {entry.name} ="
        if isinstance(value, bool):
            return f"/// {entry.name} = {'true' if value else 'false'}"
        if isinstance(value, str) and "\n" in value:
            return f'/// {entry.name} = """\n{value}\n"""'
        return f"/// {entry.name} = {quoted(value) if isinstance(value, str) else value}"

    def table(self, table: CodeTable) -> None:
        self.leading(table.span.start, "")
        self.lines.append(f"conceptmap {quoted(table.url, DOUBLE)} {{")
        self.last = max(self.last, table.span.start)
        for name, url in table.prefixes:
            self.lines.append(f"{INDENT}prefix {name} = {quoted(url, DOUBLE)}")
        for name, mode in table.unmapped:
            self.lines.append(f"{INDENT}unmapped for {name} = {mode}")
        for row in table.rows:
            if row is table.rows[0]:  # no empty line after what was written here in an order of its own
                self.last = max(self.last, self.content.rfind("\n", 0, row.span.start))
            self.leading(row.span.start, INDENT)
            self.line(self.row(row), INDENT, row.span)
        self.leading(table.span.end, INDENT)
        self.line("}", "", table.span)

    def row(self, row: CodeRow) -> str:
        left = f"{row.source_prefix}:{self.code(row.source)} {SIGNS[row.relation]}"
        if row.target is None:
            return left
        return f"{left} {row.target_prefix}:{self.code(row.target)}"

    def code(self, code: str) -> str:
        return code if _CODE.fullmatch(code) else quoted(code, '"')

    def group_head(self, group: Group) -> str:
        """Write a group up to its opening brace."""
        inputs = ", ".join(
            f"{one.mode} {self.name(one.name)}" + (f" : {self.type(one.type)}" if one.type else "")
            for one in group.inputs
        )
        head = f"group {self.name(group.name)}({inputs})"
        if group.extends:
            head += f" extends {self.name(group.extends)}"
        if group.default:
            head += f" <<{group.default}>>"
        return head

    def group(self, group: Group) -> None:
        self.leading(group.span.start, "")
        if self.lines and self.lines[-1] and not self.lines[-1].lstrip().startswith("//"):
            self.lines.append("")
        self.lines.append(f"{self.group_head(group)} {{")
        opening = self.content.find("{", group.span.start)
        self.last = max(self.last, opening + 1)
        self.trailing(opening + 1)
        for rule in group.rules:
            self.rule(rule, INDENT)
        self.leading(group.span.end, INDENT)
        self.drop_blank()
        self.line("}", "", group.span)

    def drop_blank(self) -> None:
        while self.lines and not self.lines[-1]:
            self.lines.pop()

    # Rules

    def rule(self, rule: Rule, indent: str) -> None:
        self.leading(rule.span.start, indent)
        sources = ", ".join(self.source(one) for one in rule.sources)
        targets = [self.target(one) for one in rule.targets]
        calls = ", ".join(self.invocation(one) for one in rule.dependents)
        tail = f" then {calls}" if calls else " then" if rule.rules is not None else ""
        name = f" {quoted(rule.name, DOUBLE)}" if rule.name is not None else ""
        if rule.rules is None:
            self.flow(sources, targets, f"{tail}{name};", indent, rule.span)
            return
        self.flow(sources, targets, f"{tail} {{", indent, None)
        self.last = max(self.last, rule.span.start)
        if rule.rules:
            start = rule.rules[0].span.start
            self.last = max(self.last, self.content.rfind("{", 0, start) + 1)
        for nested in rule.rules:
            self.rule(nested, indent + INDENT)
        self.leading(rule.span.end, indent + INDENT)
        self.drop_blank()
        self.line(f"}}{name};", indent, rule.span)

    def flow(self, sources: str, targets: list[str], tail: str, indent: str, span: Span | None) -> None:
        """Write a rule on one line if it fits, else each target on its own."""
        whole = sources + (f" -> {', '.join(targets)}" if targets else "") + tail
        lines = [indent + whole]
        if targets and len(indent) + len(whole.splitlines()[0]) > WIDTH:
            deeper = indent + INDENT * 2
            lines = [f"{indent}{sources} ->", *(f"{deeper}{target}," for target in targets)]
            lines[-1] = lines[-1][:-1] + tail
        self.lines += lines
        if span is not None:
            self.last = max(self.last, span.end)
            self.trailing(span.end)

    def source(self, source: Source) -> str:
        words = [".".join(self.name(one) for one in (source.context, *source.path))]
        if source.type:
            words.append(f": {self.type(source.type)}")
        if source.cardinality:
            least, most = source.cardinality
            words.append(f"{least}..{'*' if most is None else most}")
        if source.default is not None:
            words.append(f"default ({self.expression(source.default)})")
        if source.mode:
            words.append(source.mode)
        if source.variable:
            words.append(f"as {self.name(source.variable)}")
        for word, tree in (("where", source.where), ("check", source.check), ("log", source.log)):
            if tree is not None:
                words.append(f"{word} ({self.expression(tree)})")
        return " ".join(words)

    def target(self, target: Target) -> str:
        if target.context is None:
            words = "" if target.transform is None else self.transform(target.transform)
        else:
            words = ".".join(self.name(one) for one in (target.context, *target.path))
            if target.transform is not None:
                words += f" = {self.transform(target.transform)}"
        if target.variable:
            words += f" as {self.name(target.variable)}"
        if target.mode == "share":
            words += f" share {self.name(target.share or '')}"
        elif target.mode:
            words += f" {target.mode}"
        return words

    def transform(self, value: Transform) -> str:
        if isinstance(value, Invocation):
            return self.invocation(value)
        if isinstance(value, Expression):
            return f"({self.expression(value.tree)})"
        return self.parameter(value)

    def invocation(self, call: Invocation) -> str:
        return f"{self.name(call.name)}({', '.join(self.parameter(one) for one in call.parameters)})"

    def parameter(self, value: Written | Name | Expression) -> str:
        if isinstance(value, Written):
            return self.literal(value)
        if isinstance(value, Name):
            return ".".join(self.name(one) for one in (value.name, *value.path))
        text = self.expression(value.tree)
        return f"({text})" if _is_word(value.tree) else text

    def literal(self, value: Written) -> str:
        if value.kind == "string":
            return quoted(str(value.value))
        if value.kind == "boolean":
            return "true" if value.value else "false"
        if value.kind in ("date", "dateTime"):
            return f"@{value.value}"
        return f"@T{value.value}" if value.kind == "time" else str(value.value)

    def expression(self, tree: Tree) -> str:
        if tree.span is NOWHERE or tree.span.end > len(self.content) or tree.span.end == 0:
            return print_tree(tree)
        self.inside += [one.start for one in self.comments if tree.span.start <= one.start < tree.span.end]
        return self.content[tree.span.start : tree.span.end].strip()

    def type(self, name: str) -> str:
        return ".".join(self.name(part) for part in name.split("."))

    def name(self, name: str) -> str:
        return delimited(name)


def _is_word(tree: Tree) -> bool:
    """True for an expression in brackets that would be a literal or a name without them."""
    if isinstance(tree, Unary):
        tree = tree.operand
    return isinstance(tree, Literal) or (isinstance(tree, Member) and tree.target is None)
