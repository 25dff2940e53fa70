"""The shape of a GraphQL document, fragments counted wherever they are spread, but each walked once.

A document of 300 bytes can ask for 2^30 fields through fragments that spread each other twice. So fragments are put in an order in which
each comes after those that it spreads, and are then summed up one after the other.
"""

from collections import defaultdict
from collections.abc import Iterator

from graphql.language import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)
from msgspec import Struct
from msgspec.structs import replace

INTROSPECTION = frozenset({"__schema", "__type"})
MANY = frozenset({"fields", "interfaces", "possibleTypes", "inputFields"})  # in each other they make a small question's answer endless


class Shape(Struct, frozen=True):
    """Of a selection set: levels of fields, and how many fields, aliases and directives, all with fragments in place.

    `levels` counts fragments as levels, too: whoever walks a document may do so recursively.
    """

    depth: int = 0
    levels: int = 0
    introspection_depth: int = 0
    many: int = 0  # fields called as in `MANY` in each other
    introspected_many: int = 0  # … below introspection
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    roots: int = 0
    introspects: bool = False

    def within(self) -> "Shape":
        """One level further in."""
        return replace(self, levels=self.levels + 1)

    def beside(self, other: "Shape") -> "Shape":
        """Both in one selection set."""
        return Shape(
            max(self.depth, other.depth),
            max(self.levels, other.levels),
            max(self.introspection_depth, other.introspection_depth),
            max(self.many, other.many),
            max(self.introspected_many, other.introspected_many),
            self.fields + other.fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
            self.roots + other.roots,
            self.introspects or other.introspects,
        )


class Shapes:
    """The shapes of a document. `cycle` names a fragment that spreads itself; then there is nothing else to know."""

    def __init__(self, document: DocumentNode) -> None:
        self._operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        self.fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        self.cycle, self._order, self._spread = self._ordered()
        self.most_directives = 0
        self._of_fragment: dict[str, Shape] = {}
        self.operations: list[Shape] = [] if self.cycle else self._summed()

    def _ordered(self) -> tuple[str, list[str], set[str]]:
        """A fragment in a circle, or "" and all fragments, each after those it spreads; and which are spread somewhere."""
        spreads = {name: sorted(spread_in(node.selection_set)) for name, node in self.fragments.items()}
        order: list[str] = []
        under_way: set[str] = set()
        for start in spreads:
            stack = [(start, False)]
            while stack:
                name, done = stack.pop()
                if done:
                    under_way.discard(name)
                    order.append(name)
                elif name in under_way:
                    return name, [], set()
                elif name not in order and name in spreads:
                    under_way.add(name)
                    stack.append((name, True))
                    stack.extend((inner, False) for inner in spreads[name] if inner not in order)
        by_operations = [spread_in(node.selection_set) for node in self._operations]
        return "", order, set().union(*spreads.values(), *by_operations)

    def _summed(self) -> list[Shape]:
        for name in self._order:
            self._of_fragment[name] = self._shape(self.fragments[name].selection_set).beside(
                Shape(directives=self._count(self.fragments[name]))
            )
        operations = [self._shape(node.selection_set).beside(Shape(directives=self._count(node))) for node in self._operations]
        unused = [self._of_fragment[name] for name in self._order if name not in self._spread]  # costs a validator just as much
        return operations + unused

    def _shape(self, selections: SelectionSetNode | None) -> Shape:
        found = Shape()
        for node in selections.selections if selections is not None else ():
            found = found.beside(self._of(node))
        return found

    def _of(self, node: SelectionNode) -> Shape:
        own = Shape(directives=self._count(node))
        match node:
            case FragmentSpreadNode(name=name):
                return own.beside(self._of_fragment.get(name.value, Shape()).within())
            case InlineFragmentNode(selection_set=inner):
                return own.beside(self._shape(inner).within())
            case FieldNode(name=name, alias=alias, selection_set=inner):
                below = self._shape(inner)
                asks = name.value in INTROSPECTION
                return Shape(
                    0 if asks else 1 + below.depth,
                    1 + below.levels,
                    1 + max(below.depth, below.introspection_depth) if asks else below.introspection_depth,
                    below.many + (name.value in MANY),
                    below.many if asks else below.introspected_many,
                    own.fields + 1 + below.fields,
                    below.aliases + (alias is not None),
                    own.directives + below.directives,
                    1,
                    asks or below.introspects,
                )
            case _:
                return own

    def _count(self, node: SelectionNode | OperationDefinitionNode | FragmentDefinitionNode) -> int:
        count = len(node.directives or ())
        self.most_directives = max(self.most_directives, count)
        return count

    def duplicates(self, enough: int) -> int:
        """How many pairs of fields share their response name in one merged selection set; counted no further than beyond `enough`."""
        pairs = 0
        unused = [self.fragments[name] for name in self._order if name not in self._spread]
        todo = [[node.selection_set] for node in (*self._operations, *unused)]
        while todo and pairs <= enough:
            named: dict[str, list[SelectionSetNode]] = defaultdict(list)
            counts: dict[str, int] = defaultdict(int)
            for field in self._merged(todo.pop()):
                name = (field.alias or field.name).value
                pairs += counts[name]
                counts[name] += 1
                if field.selection_set is not None:
                    named[name].append(field.selection_set)
            todo.extend(named.values())
        return pairs

    def _merged(self, sets: list[SelectionSetNode]) -> Iterator[FieldNode]:
        """The fields of selection sets that are merged, each fragment once."""
        seen: set[str] = set()
        stack = list(sets)
        while stack:
            for node in stack.pop().selections:
                match node:
                    case FieldNode():
                        yield node
                    case InlineFragmentNode(selection_set=inner):
                        stack.append(inner)
                    case FragmentSpreadNode(name=name) if name.value not in seen and name.value in self.fragments:
                        seen.add(name.value)
                        stack.append(self.fragments[name.value].selection_set)
                    case _:
                        pass


def spread_in(selections: SelectionSetNode) -> set[str]:
    """The fragments that are spread somewhere in a selection set."""
    found: set[str] = set()
    todo = [selections]
    while todo:
        for node in todo.pop().selections:
            if isinstance(node, FragmentSpreadNode):
                found.add(node.name.value)
            elif isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set is not None:
                todo.append(node.selection_set)
    return found
