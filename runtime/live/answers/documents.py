"""Documents made ready to run: guarded, parsed, validated and kept by their text, so that the same question costs little again.

text ─▶ check_text ─▶ parse ─▶ check_shape ─▶ validate ─┐ kept, newest first
variables ─▶ check_variables ─▶ coerce ─────────────────┴▶ check_document ─▶ Prepared
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from graphql import (
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    Node,
    ObjectFieldNode,
    OperationDefinitionNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    get_variable_values,
    parse,
    validate,
    visit,
)
from msgspec import Struct

from runtime.live.errors import Refused, refusal
from runtime.live.guards import checks
from runtime.live.limits import Limits
from runtime.live.requests import Request

ERRORS_MAX = 5  # told at once: each that suggests names costs a millisecond


class Prepared(Struct, frozen=True):
    """A parsed, guarded, validated operation with its variables; `memo` keeps what was compiled for it."""

    request: Request
    document: DocumentNode
    operation: OperationDefinitionNode
    kind: str  # "query", "mutation" or "subscription"
    variables: dict[str, Any]
    conditions: frozenset[str] = frozenset()  # variables that decide what is selected
    memo: dict[Any, Any] = msgspec.field(default_factory=dict)


class _Known(Struct, frozen=True):
    document: DocumentNode
    operations: dict[str, OperationDefinitionNode]
    conditions: frozenset[str]
    memos: dict[str, dict[Any, Any]] | None  # by operation; None where variables decide what is selected


class Documents:
    """The documents of one schema."""

    def __init__(self, schema: GraphQLSchema, limits: Limits, *, production: bool) -> None:
        self._schema, self._limits, self._production = schema, limits, production
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self, request: Request) -> Prepared:
        """The operation that a request asks for. Raises `Refused`."""
        known = self._find(request.query)
        operation = _operation(known, request.operation_name)
        variables = self._variables(operation, request.variables or {})
        checks.check_document(known.document, operation, variables, self._schema, self._limits)
        memo = {} if known.memos is None else known.memos[operation.name.value if operation.name else ""]
        return Prepared(request, known.document, operation, operation.operation.value, variables, known.conditions, memo)

    def _find(self, text: str) -> _Known:
        with self._lock:
            known = self._known.get(text)
            if known is not None:
                self._known.move_to_end(text)
                return known
        known = self._read(text)
        with self._lock:
            self._known[text] = known
            while len(self._known) > self._limits.documents_cached:
                self._known.popitem(last=False)
        return known

    def _read(self, text: str) -> _Known:
        checks.check_text(text, self._limits)
        try:
            document = parse(text, max_tokens=self._limits.tokens)
        except GraphQLSyntaxError as error:
            raise Refused([_told(error, "BAD_REQUEST")]) from error
        checks.check_shape(document, self._limits, self._production)
        try:
            errors = validate(self._schema, document, max_errors=ERRORS_MAX, hide_suggestions=self._production)
        except GraphQLError as error:  # @skip(if: $x) at the root of a subscription, which may not be there
            raise Refused([_told(error, "BAD_REQUEST")]) from error
        if errors:
            raise Refused([self._invalid(document, error) for error in errors])
        operations = {one.name.value if one.name else "": one for one in document.definitions if isinstance(one, OperationDefinitionNode)}
        found = _Conditions()
        visit(document, found)
        return _Known(document, operations, frozenset(found.variables), None if found.variables else {name: {} for name in operations})

    def _invalid(self, document: DocumentNode, error: GraphQLError) -> dict[str, Any]:
        """A validation error; one about a value that was written into the document names its field."""
        message = checks.unsuggested(error, self._production)
        node = error.nodes[0] if error.nodes else None
        if not isinstance(node, ValueNode | ObjectFieldNode):
            return _told(error, "BAD_REQUEST", message)
        field = _place(document, node)
        return _told(error, "BAD_INPUT", message, **({"field": field} if field else {}))

    def _variables(self, operation: OperationDefinitionNode, given: Mapping[str, Any]) -> dict[str, Any]:
        checks.check_variables(given, self._limits)
        found = get_variable_values(
            self._schema, operation.variable_definitions, dict(given), max_errors=ERRORS_MAX, hide_suggestions=self._production
        )
        if isinstance(found, list):
            raise Refused([_bad_variable(error) for error in found])
        return found


def _operation(known: _Known, name: str | None) -> OperationDefinitionNode:
    if name:
        operation = known.operations.get(name)
        if operation is None:
            raise Refused([refusal(f"there is no operation {name!r:.100} in this document", "BAD_REQUEST")])
        return operation
    if len(known.operations) != 1:
        text = (
            "there is no operation in this document" if not known.operations else "say operationName: this document has several operations"
        )
        raise Refused([refusal(text, "BAD_REQUEST")])
    return next(iter(known.operations.values()))


AT = re.compile(r" at '([^']*)'")
INSIDE = re.compile(r"; Field '(\w+)' (?:of required type|is not defined)")
VARIABLE = re.compile(r"[Vv]ariable '\$(\w+)'")


def _bad_variable(error: GraphQLError) -> dict[str, Any]:
    """`extensions.field` is the variable, and the place inside it: `input.quantity`."""
    places = [found[1] for found in (AT.search(error.message) or VARIABLE.search(error.message), INSIDE.search(error.message)) if found]
    return _told(error, "BAD_INPUT", **({"field": ".".join(places)} if places else {}))


def _told(error: GraphQLError, code: str, message: str = "", **more: Any) -> dict[str, Any]:
    told = refusal(message or error.message, code, **more)
    if error.locations:
        told["locations"] = [location.formatted for location in error.locations]
    return told


NAMED = (ArgumentNode, ObjectFieldNode, VariableDefinitionNode)


def _name(node: Any) -> str:
    name: str = node.variable.name.value if isinstance(node, VariableDefinitionNode) else node.name.value
    return name


class _Places(Visitor):
    """Finds the names above a node."""

    def __init__(self, sought: Node) -> None:
        super().__init__()
        self._sought = sought
        self.found = ""

    def enter(self, node: Node, _key: Any, parent: Any, _path: Any, ancestors: Sequence[Any]) -> Any:
        """Stop at the node."""
        if node is not self._sought:
            return None
        self.found = ".".join(_name(one) for one in (*ancestors, parent, node) if isinstance(one, NAMED))
        return self.BREAK


def _place(document: DocumentNode, node: Node) -> str:
    places = _Places(node)
    visit(document, places)
    return places.found


class _Conditions(Visitor):
    """Finds the variables that decide what is selected: `@include(if: $wanted)`."""

    def __init__(self) -> None:
        super().__init__()
        self.variables: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        """Of any field or fragment."""
        self.variables.update(argument.value.name.value for argument in node.arguments if isinstance(argument.value, VariableNode))
