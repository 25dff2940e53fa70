"""Updates of a generated subscription as JSON, by functions compiled from the selection: what every change costs a cohort.

graphql-core walks the document for every value, about four microseconds a field; the types of updates have no arguments, no interfaces and
no resolvers that do more than look, so the walk is done once. The answer is the one that graphql-core gives (a property test says so).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
)
from graphql.execution.collect_fields import collect_fields, collect_sub_fields

from runtime.live.answers.documents import Prepared
from runtime.live.plans import Update
from runtime.live.schema.reads import Item, Reads

type Shape = Callable[[Any], Any]

AS_IT_IS = ("String", "BigInt", "Int", "Float", "Boolean", "JSON")
ENCODED = (*AS_IT_IS, "DateTime", "Date", "Decimal")  # msgspec writes these as the schema does

encode = msgspec.json.Encoder().encode


class Intricate(Exception):
    """A selection that only graphql-core can answer."""


def compiled(schema: GraphQLSchema, prepared: Prepared) -> Callable[[Update], bytes]:
    """What turns updates into the payload of a `next`. Raises `Intricate`."""
    fragments = {one.name.value: one for one in prepared.document.definitions if isinstance(one, FragmentDefinitionNode)}
    root = schema.subscription_type
    assert root is not None
    compiler = Compiler(schema, fragments, prepared.variables, ENCODED)
    selected = collect_fields(schema, fragments, prepared.variables, root, prepared.operation.selection_set)
    data = compiler.fields(root, selected)
    return lambda update: encode({"data": data(update)})


class Compiler:
    """Compiles selections of types whose fields only look into their values. Raises `Intricate` for any other."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: dict[str, FragmentDefinitionNode],
        variables: dict[str, Any],
        plain: Sequence[str] = AS_IT_IS,
    ) -> None:
        self._schema, self._fragments, self._variables, self._plain = schema, fragments, variables, plain

    def object(self, type_: GraphQLObjectType, nodes: list[FieldNode]) -> Shape:
        """An object that was selected by these nodes."""
        if type_.is_type_of is not None:
            raise Intricate(type_.name)
        return self.fields(type_, collect_sub_fields(self._schema, self._fragments, self._variables, type_, nodes))

    def fields(self, parent: GraphQLObjectType, selected: Mapping[str, list[FieldNode]]) -> Shape:
        """An object of these fields."""
        shapes = [(name, self._field(parent, nodes)) for name, nodes in selected.items()]
        keys = [(name, read.key) for name, read in shapes if isinstance(read, Item)]
        if len(keys) == len(shapes):  # a row whose columns are shown as they are
            return lambda value: {name: value[key] for name, key in keys}
        reads = [(name, shape.read if isinstance(shape, Item) else shape) for name, shape in shapes]
        return lambda value: {name: read(value) for name, read in reads}

    def _field(self, parent: GraphQLObjectType, nodes: list[FieldNode]) -> Shape | Item:
        name = nodes[0].name.value
        if name == "__typename":
            typename = parent.name
            return lambda _: typename
        field = parent.fields.get(name)
        if field is None or not isinstance(field.resolve, Reads):
            raise Intricate(f"{parent.name}.{name}")
        read, complete = field.resolve.read, self._complete(field.type, nodes)
        if complete is None:
            return field.resolve if isinstance(field.resolve, Item) else read
        return lambda value: complete(read(value))

    def _complete(self, type_: GraphQLOutputType, nodes: list[FieldNode]) -> Shape | None:
        """How a value of a type becomes JSON; None: as it is."""
        if isinstance(type_, GraphQLNonNull):
            return self._complete(type_.of_type, nodes)
        if isinstance(type_, GraphQLList):
            item = self._complete(type_.of_type, nodes)
            return None if item is None else lambda value: None if value is None else [item(one) for one in value]
        if isinstance(type_, GraphQLObjectType):
            shape = self.object(type_, nodes)
            return lambda value: None if value is None else shape(value)
        if isinstance(type_, GraphQLScalarType | GraphQLEnumType):
            return self._leaf(type_)
        raise Intricate(str(type_))

    def _leaf(self, type_: GraphQLScalarType | GraphQLEnumType) -> Shape | None:
        if isinstance(type_, GraphQLScalarType) and type_.name in self._plain:
            return None
        serialize = type_.serialize
        return lambda value: None if value is None else serialize(value)
