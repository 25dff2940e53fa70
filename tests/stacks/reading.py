"""Which variables of the environment a module reads, and which modules a process is made of: from the source itself, not from a list.

A variable is read by `os.environ`, or by a function that is given a part of its name (`_said("JWKS")`, `_whole("PARTITIONS", …)`): those
functions are found, and those that hand a parameter on to them, until nothing new is found. A name that cannot be followed fails.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
OURS = ("hosts", "providers", "runtime")
CHOSEN = ("providers.postgres", "providers.kafka")  # what hosts.providers imports by name for the URLs of a deployment


class Reader(NamedTuple):
    """A function that reads `prefix` + its parameter at `position`."""

    module: str
    name: str
    position: int
    prefix: str


class Read(NamedTuple):
    """A variable that a module reads, and where it is said."""

    variable: str
    module: str


def process(entry: str) -> set[str]:
    """The modules of ours that `python -m entry` may import."""
    seen: set[str] = set()
    todo = [entry]
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        todo += [each for each in _imports(module) if each not in seen]
        if module == "hosts.providers":
            todo += [each for each in sources() if each.startswith(CHOSEN)]
    return seen


def reads(modules: set[str]) -> set[Read]:
    """Everything that they read."""
    return {each for each in everything() if each.module in modules}


@cache
def everything() -> frozenset[Read]:
    """Every variable that our code reads, with the modules that name it."""
    readers: set[Reader] = set()
    found: set[Read] = set()
    while True:
        before = len(readers)
        for module in _asking(frozenset(each.name for each in readers)):
            for read in _of_module(module, frozenset(readers)):
                (readers if isinstance(read, Reader) else found).add(read)  # type: ignore[arg-type]
        if len(readers) == before:
            return frozenset(found)


@cache
def sources() -> tuple[str, ...]:
    """All our modules that run."""
    files = [file for folder in OURS for file in (ROOT / folder).rglob("*.py")]
    return tuple(sorted(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files))


def _asking(readers: frozenset[str]) -> list[str]:
    """The modules whose text names the environment, or a function that reads it."""
    return [module for module in sources() if any(word in _text(module) for word in ("environ", "getenv", *readers))]


@cache
def _text(module: str) -> str:
    file = ROOT / Path(*module.split("."))
    return (file / "__init__.py" if file.is_dir() else file.with_suffix(".py")).read_text()


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(_text(module))


@cache
def _known() -> frozenset[str]:
    return frozenset(sources())


@cache
def _imports(module: str) -> tuple[str, ...]:
    known, found = _known(), set[str]()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    packages = {name.rpartition(".")[0] for name in found}
    return tuple(sorted((found | packages) & known))


def _of_module(module: str, readers: frozenset[Reader]) -> Iterator[Reader | Read]:
    names = _names(module, readers)
    for function, node in _found(module):
        told = _asked(node, names)
        if told is None:
            continue
        prefix, name = told
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            yield Read(f"{prefix}{name.value}", module)
            continue
        parameters = [argument.arg for argument in function.args.args] if function else []
        assert isinstance(name, ast.Name) and name.id in parameters and function, (
            f"{module}:{node.lineno} reads a variable of the environment whose name cannot be followed: {ast.unparse(node)}"
        )
        yield Reader(module, function.name, parameters.index(name.id), prefix)


def _names(module: str, readers: frozenset[Reader]) -> dict[str, Reader]:
    """The readers that a module can call by a plain name."""
    known = {(each.module, each.name): each for each in readers}
    local = {each.name: each for each in readers if each.module == module}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if found := known.get((node.module or "", alias.name)):
                    local[alias.asname or alias.name] = found
    return local


@cache
def _found(module: str) -> tuple[tuple[ast.FunctionDef | None, ast.expr], ...]:
    return tuple(_calls(_tree(module)))


def _calls(tree: ast.AST, within: ast.FunctionDef | None = None) -> Iterator[tuple[ast.FunctionDef | None, ast.expr]]:
    for node in ast.iter_child_nodes(tree):
        inside = node if isinstance(node, ast.FunctionDef) else within
        if isinstance(node, ast.Call | ast.Subscript):
            yield inside, node
        yield from _calls(node, inside)


def _asked(node: ast.expr, readers: dict[str, Reader]) -> tuple[str, ast.expr] | None:
    """Prefix and the rest of the name that an expression asks the environment for."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"), args=[name, *_]):
            return _split(name)
        case ast.Call(func=ast.Attribute(attr="getenv"), args=[name, *_]):
            return _split(name)
        case ast.Subscript(value=ast.Attribute(attr="environ"), slice=name, ctx=ast.Load()):
            return _split(name)
        case ast.Call(func=ast.Name(id=called), args=arguments) if called in readers:
            reader = readers[called]
            prefix, name = _split(arguments[reader.position])
            return reader.prefix + prefix, name
        case _:
            return None


def _split(name: ast.expr) -> tuple[str, ast.expr]:
    match name:
        case ast.JoinedStr(values=[ast.Constant(value=str(prefix)), ast.FormattedValue(value=rest)]):
            return prefix, rest
        case _:
            return "", name
