"""Text to tree by recursive descent, with recovery: every fault of a file is found in one reading.

Keywords are words like any other (`src.source`, `tgt.group`), so what a word means is decided by its place.
Old syntax (`map "url" = "name"`, `where` without brackets) and new (`/// url = ..`, `let`) are both read.
HL7 FHIR Mapping Language, grammar.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from adapter.errors import AdapterError
from adapter.fhirpath.parser import parse_prefix
from adapter.fhirpath.tree import Literal as PathLiteral
from adapter.fhirpath.tree import Span
from adapter.mapping.fml.paths import renamed
from adapter.mapping.fml.tokens import Text, Token, tokenize
from adapter.mapping.fml.tree import (
    CodeRow,
    CodeTable,
    Constant,
    Expression,
    Group,
    Import,
    Input,
    Invocation,
    MapFile,
    Metadata,
    Name,
    Rule,
    Source,
    Target,
    Use,
    Written,
)
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.tree import Tree
    from adapter.mapping.fml.tree import Parameter, Transform
    from adapter.mapping.nodes import Item

SOURCE_MODES = frozenset({"first", "last", "not_first", "not_last", "only_one"})
TARGET_MODES = frozenset({"first", "last", "share", "single", "collate"})
MODEL_MODES = frozenset({"source", "queried", "target", "produced"})
DECLARATIONS = frozenset({"map", "conceptmap", "uses", "imports", "let", "group"})
RELATIONS = {
    "-": "relatedto", "=": "equal", "==": "equivalent", "<-": "subsumes", "<=": "subsumes",
    "->": "specializes", ">=": "specializes", ">-": "narrower", "~": "inexact", "--": "unmatched",
    "!=": "disjoint",
}  # fmt: skip
"""Signs between two codes of an inline concept map, as R4 ConceptMapEquivalence."""
_EXPRESSION_STOPS = frozenset({"as"})
DEEPEST = 64


class _Lost(Exception):
    """The parser lost its place; the fault is noted already."""


_APOSTROPHE = "\ue0fe"
"""Stands for `'` inside of a text in double quotes while FHIRPath, which has no such texts, reads it."""


def _single_quoted(content: str, tokens: list[Token]) -> str:
    """Write texts in double quotes with single ones, every offset unchanged."""
    parts: list[str] = []
    at = 0
    for token in tokens:
        if token.kind == "doubled":
            body = content[token.start + 1 : token.end - 1].replace("'", _APOSTROPHE)
            parts += (content[at : token.start], "'", body, "'")
            at = token.end
    return "".join([*parts, content[at:]])


def _apostrophes(tree: Tree) -> Tree:
    if isinstance(tree, PathLiteral):
        return replace(tree, text=tree.text.replace(_APOSTROPHE, "'"))
    return tree


def parse(content: str, file: str = "") -> tuple[MapFile | None, list[Issue]]:
    """Read one map file; the tree is None if there is no group left to speak of.

    `file` names it in the issues, which are MP1nn for the map itself and FPnnn for its expressions.
    """
    text = Text.of(content, file)
    reader = _Reader(text)
    tree = reader.map_file()
    return tree, reader.issues


class _Reader:
    def __init__(self, text: Text) -> None:
        self.text = text
        self.content = text.content
        self.tokens, self.comments = tokenize(text.content)
        self.paths = _single_quoted(text.content, self.tokens)
        self.at = 0
        self.token = self.tokens[0]
        self.issues: list[Issue] = []
        self.depth = 0

    # Words

    def advance(self) -> Token:
        taken = self.token
        if taken.kind != "end":
            self.at += 1
            self.token = self.tokens[self.at]
        return taken

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def is_symbol(self, symbol: str) -> bool:
        return self.token.kind == "symbol" and self.token.text == symbol

    def is_word(self, word: str) -> bool:
        return self.token.kind == "name" and self.token.text == word

    def take(self, symbol: str) -> bool:
        """Advance past `symbol` if it is next."""
        if self.is_symbol(symbol):
            self.advance()
            return True
        return False

    def take_word(self, word: str) -> bool:
        if self.is_word(word):
            self.advance()
            return True
        return False

    def expect(self, symbol: str) -> Token:
        if not self.is_symbol(symbol):
            self.lost(f"'{symbol}'")
        return self.advance()

    def name(self, expected: str = "a name") -> str:
        if self.token.kind not in ("name", "quoted"):
            self.lost(expected)
        return self.advance().text

    def quoted(self, expected: str = "a text in quotes") -> str:
        if self.token.kind not in ("string", "doubled"):
            self.lost(expected)
        return self.advance().text

    def span(self, start: int) -> Span:
        return Span(start, self.tokens[self.at - 1].end if self.at else start)

    def fault(self, code: str, offset: int, **params: str | int) -> None:
        line, column = self.text.place(offset)
        self.issues.append(Issue(code, self.text.file, params, line=line, column=column))

    def lost(self, expected: str) -> NoReturn:
        token = self.token
        if token.kind == "bad":
            self.fault("MP104" if token.text in "'\"`" else "MP103", token.start, found=token.text)
        elif token.kind == "end":
            self.fault("MP102", token.start, expected=expected)
        else:
            self.fault("MP101", token.start, expected=expected, found=self.content[token.start : token.end])
        raise _Lost

    # Expressions

    def expression(self, end: int | None = None) -> Tree:
        """Read FHIRPath from here on; `end` is an offset it may not pass."""
        start = self.token.start
        body = self.paths if end is None else self.paths[:end]
        try:
            tree, stop = parse_prefix(body, start, stops=_EXPRESSION_STOPS)
        except AdapterError as error:
            self.issues.append(
                Issue(
                    error.code,
                    self.text.file,
                    error.issue.params,
                    line=error.issue.line,
                    column=error.issue.column,
                )
            )
            raise _Lost from error
        while self.token.kind != "end" and self.token.start < stop:
            self.advance()
        return renamed(tree, _apostrophes) if _APOSTROPHE in body[start:stop] else tree

    def bracketed(self) -> Tree:
        """Read `( expression )`."""
        self.expect("(")
        tree = self.expression()
        self.expect(")")
        return tree

    def condition(self) -> Tree:
        """Read what follows `where`, `check` or `log`: R4 maps leave the brackets out."""
        return self.expression(self.clause_end())

    def clause_end(self) -> int:
        """Find the offset where a clause without brackets must end."""
        depth, at = 0, self.at
        while True:
            token = self.tokens[at]
            if token.kind == "end":
                return token.start
            if token.kind == "symbol":
                if depth == 0 and token.text in ("->", ",", ";", "}"):
                    return token.start
                depth += (token.text in "([{") - (token.text in ")]}")
            elif depth == 0 and at > self.at and token.kind == "name":
                previous = self.tokens[at - 1].text
                if token.text in ("then", "check", "log") and previous != ".":
                    return token.start
            at += 1

    # Declarations

    def map_file(self) -> MapFile | None:
        parts: dict[str, list[Item]] = {
            key: [] for key in ("meta", "map", "table", "use", "import", "let", "group")
        }
        readings: dict[str, tuple[str, Callable[[], Item]]] = {
            "map": ("map", self.map_line),
            "conceptmap": ("table", self.code_table),
            "uses": ("use", self.use),
            "imports": ("import", self.import_),
            "let": ("let", self.constant),
            "group": ("group", self.group),
        }
        while self.token.kind != "end":
            try:
                if self.token.kind == "meta":
                    parts["meta"].append(self.metadata())
                    continue
                reading = readings.get(self.token.text.lower()) if self.token.kind == "name" else None
                if reading is None:
                    self.lost("map, conceptmap, uses, imports, let or group")
                kind, read = reading
                parts[kind].append(read())
            except _Lost:
                self.skip_to_declaration()
        return self.together(parts)

    def together(self, parts: dict[str, list[Item]]) -> MapFile | None:
        metadata = {entry.name: entry.value for entry in parts["meta"]}
        url, name = parts["map"][0] if parts["map"] else ("", "")
        url = url or str(metadata.get("url") or "")
        name = name or str(metadata.get("name") or metadata.get("id") or url.rpartition("/")[2])
        if not parts["group"] and not parts["table"]:
            if not self.issues:
                self.fault("MP105", 0)
            return None
        return MapFile(
            url=url,
            name=name,
            text=self.text,
            metadata=tuple(parts["meta"]),
            tables=tuple(parts["table"]),
            uses=tuple(parts["use"]),
            imports=tuple(parts["import"]),
            constants=tuple(parts["let"]),
            groups=tuple(parts["group"]),
            has_map_line=bool(parts["map"]),
            comments=tuple(self.comments),
            span=Span(0, len(self.content)),
        )

    def skip_to_declaration(self) -> None:
        """Go on at the next word of a declaration that begins a line."""
        self.advance()
        while self.token.kind != "end":
            token = self.token
            starts_line = self.text.place(token.start)[1] == 1
            if starts_line and (token.kind == "meta" or token.text.lower() in DECLARATIONS):
                return
            self.advance()

    def metadata(self) -> Metadata:
        start = self.advance().start
        line = self.text.place(start)[0]
        parts = [self.name("the name of a metadata element")]
        while self.take("."):
            parts.append(self.name())
        self.expect("=")
        value: str | bool | int | None = None
        if self.text.place(self.token.start)[0] == line and self.token.kind != "end":
            token = self.advance()
            value = token.text
            if token.kind == "number" and token.text.isdigit():
                value = int(token.text)
            elif token.kind == "name":
                if token.text not in ("true", "false"):
                    self.at -= 1
                    self.token = self.tokens[self.at]
                    self.lost("a literal")
                value = token.text == "true"
        return Metadata(name=".".join(parts), value=value, span=self.span(start))

    def map_line(self) -> tuple[str, str]:
        self.advance()
        url = self.quoted("the url of the map in quotes")
        self.expect("=")
        if self.token.kind in ("string", "doubled"):
            return url, self.advance().text
        return url, self.name("the name of the map")

    def use(self) -> Use:
        start = self.advance().start
        url = self.quoted("the url of a structure in quotes")
        alias = self.name("an alias") if self.take_word("alias") else None
        if not self.take_word("as"):
            self.lost("'as'")
        if self.token.text not in MODEL_MODES:
            self.lost("source, queried, target or produced")
        mode: Item = self.advance().text
        self.take(";")
        return Use(url=url, alias=alias, mode=mode, span=self.span(start))

    def import_(self) -> Import:
        start = self.advance().start
        url = self.quoted("the url of a map in quotes")
        self.take(";")
        return Import(url=url, span=self.span(start))

    def constant(self) -> Constant:
        start = self.advance().start
        name = self.name("the name of a constant")
        self.expect("=")
        value = self.expression()
        self.semicolon()
        return Constant(name=name, value=value, span=self.span(start))

    def semicolon(self) -> None:
        if self.take(";"):
            return
        if self.token.kind == "bad":
            self.lost("';'")
        self.fault("MP106", self.tokens[max(self.at - 1, 0)].end)
        if not (self.is_symbol("}") or self.starts_line()):
            raise _Lost

    def starts_line(self) -> bool:
        """Tell whether the token in hand is the first of its line, so that reading on makes sense."""
        before = self.tokens[max(self.at - 1, 0)].end
        return self.text.place(before)[0] < self.text.place(self.token.start)[0]

    # Inline concept maps

    def code_table(self) -> CodeTable:
        start = self.advance().start
        url = self.quoted("the url of the concept map in quotes")
        self.expect("{")
        prefixes: list[tuple[str, str]] = []
        rows: list[CodeRow] = []
        unmapped: list[tuple[str, str]] = []
        while not self.take("}"):
            if self.is_word("prefix") and self.peek().kind == "name":
                self.advance()
                name = self.name("a prefix")
                self.expect("=")
                prefixes.append((name, self.quoted("the url of a code system in quotes")))
            elif self.is_word("unmapped"):
                self.advance()
                if not self.take_word("for"):
                    self.lost("'for'")
                name = self.name("a prefix")
                self.expect("=")
                unmapped.append((name, self.name("provided, fixed or other")))
            else:
                rows.append(self.code_row(frozenset(name for name, _ in prefixes)))
            self.take(";")
        return CodeTable(
            url=url,
            prefixes=tuple(prefixes),
            rows=tuple(rows),
            unmapped=tuple(unmapped),
            span=self.span(start),
        )

    def code_row(self, prefixes: frozenset[str]) -> CodeRow:
        start = self.token.start
        source_prefix, source = self.prefixed(prefixes)
        sign = ""
        while self.token.kind == "symbol" and self.token.text in "->=<=~!=--==>-<-" and len(sign) < 2:
            sign += self.advance().text
        relation = RELATIONS.get(sign)
        if relation is None:
            self.lost("a relation such as '-' or '=='")
        if relation == "unmatched":
            return CodeRow(
                source_prefix=source_prefix, source=source, relation=relation,
                target_prefix=None, target=None, span=self.span(start),
            )  # fmt: skip
        target_prefix, target = self.prefixed(prefixes)
        return CodeRow(
            source_prefix=source_prefix, source=source, relation=relation,
            target_prefix=target_prefix, target=target, span=self.span(start),
        )  # fmt: skip

    def prefixed(self, prefixes: frozenset[str]) -> tuple[str, str]:
        start = self.token.start
        prefix = self.name("a prefix")
        if prefix not in prefixes:
            self.fault("MP107", start, prefix=prefix)
        self.expect(":")
        if self.token.kind in ("string", "doubled"):
            return prefix, self.advance().text
        begin = self.token.start
        if self.token.kind not in ("name", "number", "quoted"):
            self.lost("a code")
        # Codes such as 123-4 are several words that touch each other.
        while self.touches_on():
            self.advance()
        end = self.advance().end
        return prefix, self.content[begin:end].strip("`")

    def touches_on(self) -> bool:
        """Tell whether the next word is part of the same code: it touches, and a dash also the one after."""
        following, after = self.peek(), self.peek(2)
        if following.start != self.token.end:
            return False
        if following.kind in ("name", "number"):
            return True
        return (
            following.text in ("-", ".") and after.start == following.end and after.kind in ("name", "number")
        )

    # Groups and rules

    def group(self) -> Group:
        start = self.advance().start
        name = self.name("the name of the group")
        self.expect("(")
        inputs = [self.input()]
        while self.take(","):
            inputs.append(self.input())
        self.expect(")")
        extends = None
        default: Item = None
        while not self.is_symbol("{"):
            if self.take_word("extends"):
                extends = self.name("the name of a group")
            elif self.take("<<"):
                default = self.name("types or type+")
                if default == "type" and self.take("+"):
                    default = "type+"
                if default not in ("types", "type+"):
                    self.lost("types or type+")
                self.expect(">>")
            else:
                self.lost("'{'")
        return Group(
            name=name, inputs=tuple(inputs), rules=self.rules(), extends=extends, default=default,
            span=self.span(start),
        )  # fmt: skip

    def input(self) -> Input:
        start = self.token.start
        mode: Item = self.name("source or target")
        if mode not in ("source", "target"):
            self.at -= 1
            self.token = self.tokens[self.at]
            self.lost("source or target")
        name = self.name("the name of an input")
        kind = self.type_name() if self.take(":") else None
        return Input(mode=mode, name=name, type=kind, span=self.span(start))

    def type_name(self) -> str:
        parts = [self.name("the name of a type")]
        while self.take("."):
            parts.append(self.name("the name of a type"))
        return ".".join(parts)

    def rules(self) -> tuple[Rule, ...]:
        opening = self.expect("{")
        self.depth += 1
        if self.depth > DEEPEST:
            self.fault("MP108", opening.start, limit=DEEPEST)
            raise _Lost
        found: list[Rule] = []
        while not self.take("}"):
            if self.token.kind == "end":
                self.fault("MP109", opening.start)
                raise _Lost
            if self.is_word("group") and self.peek(2).text == "(" and self.starts_declaration():
                self.fault("MP109", opening.start)
                break
            try:
                found.append(self.rule())
            except _Lost:
                self.skip_rule()
        self.depth -= 1
        return tuple(found)

    def starts_declaration(self) -> bool:
        return self.text.place(self.token.start)[1] == 1

    def skip_rule(self) -> None:
        """Go on after the `;` that ends the rule, or at the `}` that ends the rules around it."""
        depth = 0
        while self.token.kind != "end":
            if self.is_word("group") and self.starts_declaration():
                return
            if self.token.kind == "symbol":
                if self.token.text == ";" and depth <= 0:
                    self.advance()
                    return
                if self.token.text == "}":
                    if depth <= 0:
                        return
                    depth -= 1
                elif self.token.text == "{":
                    depth += 1
            self.advance()

    def rule(self) -> Rule:
        start = self.token.start
        sources = [self.source()]
        while self.take(","):
            sources.append(self.source())
        targets: list[Target] = []
        if self.take("->"):
            targets.append(self.target())
            while self.take(","):
                targets.append(self.target())
        dependents: list[Invocation] = []
        nested: tuple[Rule, ...] | None = None
        if self.take_word("then"):
            if self.is_symbol("{"):
                nested = self.rules()
            else:
                dependents.append(self.invocation())
                while self.take(","):
                    dependents.append(self.invocation())
                if self.is_symbol("{"):
                    nested = self.rules()
        name = self.advance().text if self.token.kind in ("doubled", "string") else None
        self.semicolon()
        return Rule(
            sources=tuple(sources), targets=tuple(targets), dependents=tuple(dependents), rules=nested,
            name=name, span=self.span(start),
        )  # fmt: skip

    def path(self) -> tuple[str, ...]:
        parts: list[str] = []
        while self.take("."):
            parts.append(self.name("the name of an element"))
            if self.is_symbol("[") and self.peek().text == "x" and self.peek(2).text == "]":
                self.advance(), self.advance(), self.advance()
        return tuple(parts)

    def source(self) -> Source:
        start = self.token.start
        given: dict[str, Item] = {"context": self.name("a source"), "path": self.path()}
        while self.token.kind in ("name", "number") or self.is_symbol(":"):
            if self.take(":"):
                given["type"] = self.type_name()
            elif self.token.kind == "number":
                given["cardinality"] = self.cardinality()
            elif not self.source_clause(given):
                break
        return Source(span=self.span(start), **given)

    def source_clause(self, given: dict[str, Item]) -> bool:
        """Read one clause of a source; False if the word in hand begins none."""
        word = self.token.text
        if word in SOURCE_MODES:
            given["mode"] = self.advance().text
        elif word == "as":
            self.advance()
            given["variable"] = self.name("the name of a variable")
        elif word in ("where", "check", "log"):
            self.advance()
            given[word] = self.condition()
        elif word == "default":
            self.advance()
            given["default"] = self.default()
        else:
            return False
        return True

    def default(self) -> Tree:
        if self.is_symbol("("):
            return self.bracketed()
        token = self.token
        if token.kind in ("doubled", "string"):
            self.advance()
            return PathLiteral(kind="string", text=token.text, span=Span(token.start, token.end))
        return self.expression(self.clause_end())

    def cardinality(self) -> tuple[int, int | None]:
        # The words of `0..1` are cut as `0`, `..`, `1`, as no number ends in a dot.
        least = self.advance().text
        self.expect("..")
        if self.take("*"):
            return int(least), None
        if self.token.kind != "number":
            self.lost("a number or '*'")
        return int(least), int(self.advance().text)

    def target(self) -> Target:
        start = self.token.start
        given: dict[str, Item] = {"context": None}
        if self.is_symbol("("):
            begin = self.token.start
            given["transform"] = Expression(tree=self.bracketed(), span=self.span(begin))
        elif (
            self.token.kind in ("name", "quoted") and self.peek().text == "(" and self.peek().kind == "symbol"
        ):
            given["transform"] = self.invocation()
        else:
            given["context"] = self.name("a target")
            given["path"] = self.path()
            if self.take("="):
                given["transform"] = self.transform()
        while self.token.kind == "name":
            if self.take_word("as"):
                given["variable"] = self.name("the name of a variable")
            elif self.token.text in TARGET_MODES:
                mode = self.advance().text
                given["mode"] = mode
                if mode == "share":
                    given["share"] = self.name("the name that is shared")
            else:
                break
        return Target(span=self.span(start), **given)

    def transform(self) -> Transform:
        start = self.token.start
        if self.is_symbol("("):
            tree = self.bracketed()
            return Expression(tree=tree, span=self.span(start))
        if self.token.kind in ("name", "quoted") and self.peek().text == "(" and self.peek().kind == "symbol":
            return self.invocation()
        literal = self.literal()
        if literal is not None:
            return literal
        if self.token.kind in ("name", "quoted"):
            name = self.name()
            return Name(name=name, path=self.path(), span=self.span(start))
        if self.is_symbol("{") and self.peek().text == "}":
            return Expression(tree=self.expression(), span=self.span(start))
        return self.lost("a value, a variable, a transform or '('")

    def literal(self) -> Written | None:
        token = self.token
        made: Written | None = None
        span = Span(token.start, token.end)
        if token.kind in ("string", "doubled"):
            made = Written(value=token.text, kind="string", span=span)
        elif token.kind == "number":
            whole = "." not in token.text
            made = Written(
                value=int(token.text) if whole else token.text,
                kind="integer" if whole else "decimal",
                span=span,
            )
        elif token.kind == "moment":
            kind: Item = "time" if token.text[1] == "T" else "dateTime" if "T" in token.text else "date"
            made = Written(value=token.text[1:].lstrip("T"), kind=kind, span=span)
        elif token.kind == "name" and token.text in ("true", "false") and self.peek().text not in (".", "("):
            made = Written(value=token.text == "true", kind="boolean", span=span)
        elif self.is_symbol("-") and self.peek().kind == "number":
            self.advance()
            number = self.token
            whole = "." not in number.text
            value = f"-{number.text}"
            made = Written(
                value=int(value) if whole else value, kind="integer" if whole else "decimal",
                span=Span(token.start, number.end),
            )  # fmt: skip
        if made is not None:
            self.advance()
        return made

    def invocation(self) -> Invocation:
        start = self.token.start
        name = self.name("the name of a group or transform")
        self.expect("(")
        parameters: list[Parameter] = []
        while not self.take(")"):
            if parameters:
                self.expect(",")
            parameters.append(self.parameter())
        return Invocation(name=name, parameters=tuple(parameters), span=self.span(start))

    def parameter(self) -> Parameter:
        start, ends = self.token.start, (",", ")")
        if self.peek().kind == "symbol" and self.peek().text in ends:
            if self.token.kind in ("name", "quoted") and self.token.text not in ("true", "false"):
                return Name(name=self.name(), span=self.span(start))
            literal = self.literal()
            if literal is not None:
                return literal
        elif self.is_symbol("-") and self.peek().kind == "number" and self.peek(2).text in ends:
            literal = self.literal()
            if literal is not None:
                return literal
        return Expression(tree=self.expression(), span=self.span(start))
