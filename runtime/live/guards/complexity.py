"""What an operation costs before it is run: one for each field of each row that its pages may bring.

A page of 100 rows with 10 fields costs 1,000; a page in each row of a page multiplies. Where `first` is not said, the field's own default
counts, then the gateway's.
"""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, get_named_type, value_from_ast
from graphql.language import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)
from graphql.pyutils import Undefined

from runtime.live.limits import Limits

PAGES = ("first", "last", "limit")
MOST = 10**12  # beyond every limit; so that nested pages do not make numbers of a thousand digits


def cost_of(
    document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any], schema: GraphQLSchema, limits: Limits
) -> int:
    """The cost of an operation of a valid document, `MOST` at most; `variables` are coerced, defaults included."""
    root = schema.get_root_type(operation.operation)
    if root is None:
        return 0
    return _Costs(document, variables, schema, limits.page_default).of(operation.selection_set, root)


class _Costs:
    def __init__(self, document: DocumentNode, variables: Mapping[str, Any], schema: GraphQLSchema, page_default: int) -> None:
        self._fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        self._variables, self._schema, self._page_default = dict(variables), schema, page_default
        self._of_fragment: dict[str, int] = {}

    def of(self, selections: SelectionSetNode | None, parent: Any) -> int:
        cost = 0
        for node in selections.selections if selections is not None else ():
            match node:
                case FieldNode():
                    cost += self._of_field(node, parent)
                case InlineFragmentNode(selection_set=inner):
                    condition: Any = node.type_condition  # None, whatever its annotation says, for a bare `... { }`
                    cost += self.of(inner, parent if condition is None else self._schema.get_type(condition.name.value))
                case FragmentSpreadNode(name=name):
                    cost += self._of_spread(name.value)
                case _:
                    pass
        return min(cost, MOST)

    def _of_spread(self, name: str) -> int:
        known = self._of_fragment.get(name)
        if known is None:
            fragment = self._fragments.get(name)
            known = self.of(fragment.selection_set, self._schema.get_type(fragment.type_condition.name.value)) if fragment else 0
            self._of_fragment[name] = known
        return known

    def _of_field(self, node: FieldNode, parent: Any) -> int:
        field = parent.fields.get(node.name.value) if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else None
        if field is None:  # `__typename`, or introspection, which `check_shape` bounds
            return 1
        return 1 + self._rows(node, field) * self.of(node.selection_set, get_named_type(field.type))

    def _rows(self, node: FieldNode, field: Any) -> int:
        asked = 1
        given = {argument.name.value: argument.value for argument in node.arguments}
        for name in PAGES:
            argument = field.args.get(name)
            if argument is None:
                continue
            value = value_from_ast(given[name], argument.type, self._variables) if name in given else argument.default_value
            if value is Undefined or value is None:
                value = self._page_default if name == "first" else 1
            if isinstance(value, int):
                asked = max(asked, min(value, MOST))
        return asked
