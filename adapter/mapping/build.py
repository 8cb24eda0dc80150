"""One compiled form of a map: plain, or traced for whoever asks where everything comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from adapter.errors import TooCostly
from adapter.mapping.fml.compiler.compilation import Compilation
from adapter.mapping.fml.compiler.groups import Compiler
from adapter.mapping.fml.compiler.ordering import settle
from adapter.mapping.fml.faults import Faults
from adapter.mapping.run import Made

if TYPE_CHECKING:
    from adapter.mapping.fml.compiler.groups import GroupCode
    from adapter.mapping.fml.compiler.stepping import Stepping
    from adapter.mapping.fml.resolver import Library
    from adapter.mapping.fml.tree import Input, MapFile
    from adapter.mapping.models import Models, Shape
    from adapter.mapping.nodes import Item
    from adapter.mapping.run import RuleMark, Run


@dataclass(frozen=True, slots=True)
class Build:
    """The functions of a map, behind its first group."""

    entry: GroupCode
    inputs: tuple[Literal["source", "target"], ...]
    shapes: tuple[Shape | None, ...]
    """Of the targets among the inputs."""
    marks: tuple[RuleMark, ...]
    """Every rule that the map can reach, in the order of compilation."""
    source: Shape | None
    """Of the first source, where its structure has a model."""
    is_traced: bool

    def __call__(self, run: Run, root: Item) -> list[Made]:
        """Make the targets of a source.

        Raises TooCostly MP403 if there is no end to it.
        """
        made = [Made.of(shape) for shape in self.shapes]
        targets = iter(made)
        arguments = [root if mode == "source" else next(targets) for mode in self.inputs]
        if self.is_traced:
            arguments = [part for one in arguments for part in (one, None)]
        try:
            self.entry(run, arguments)
        except RecursionError:
            raise TooCostly("MP403") from None
        if run.ordered:
            settle(run)
        return made


def build(
    file: MapFile, library: Library, models: Models, faults: Faults, *, traced: bool, whole: bool = False,
    stepping: Stepping | None = None,
) -> Build:  # fmt: skip
    """Compile one map with all it calls, noting what is wrong with it; with `whole` its other groups, too.

    `stepping`: for a traced build that notes its steps for a debugger.
    """
    inputs = _begun(file, library, models)
    compilation = Compilation(library, models, faults, is_traced=traced, stepping=stepping)
    compiler = Compiler(compilation)
    entry, shapes = compiler.entry(file, inputs)
    marks = tuple(compilation.marks)
    if whole:
        compiler.rest(file)
    first = next((one for one in inputs if one.mode == "source"), None)
    source = None if first is None else compilation.input_shape(file, first)
    return Build(entry, tuple(one.mode for one in inputs), tuple(shapes), marks, source, traced)


def target_shapes(file: MapFile, library: Library, models: Models) -> list[Shape | None]:
    """Return the shape of each target of the first group, without compiling more than that takes."""
    inputs = _begun(file, library, models)
    compilation = Compilation(library, models, Faults(), is_traced=False)
    return [compilation.input_shape(file, one) for one in inputs if one.mode == "target"]


def _begun(file: MapFile, library: Library, models: Models) -> tuple[Input, ...]:
    """Return the inputs of the first group as they are typed when the map is run.

    Where it names no types it is about the structures that the map uses, if all of it can be about them: the
    first group of a map that lends its groups to others may well be about a part of a structure.
    """
    declared, told = file.groups[0].inputs, library.entry(file)
    if told == declared:
        return declared
    trial = Faults()
    Compiler(Compilation(library, models, trial, is_traced=False)).entry(file, told)
    return declared if any(issue.is_error for issue in trial.issues) else told
