"""What a document may ask for, checked before anything expensive is done with it.

    bytes ─▶ check_text ─▶ parse ─▶ check_shape ─▶ validate ─▶ check_document ─▶ execute
             (tokens)               (fragments are counted, never expanded)     (rows, with variables)

Measured without guards: 10 MB of query cost 20 s of CPU in one call that nothing interrupts, 128 KB of comments 130 ms, 1,000 times the
same field 560 ms in validation. Each refusal names the limit, what was counted, and the way out.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec
from graphql import GraphQLError, GraphQLSchema
from graphql.language import DocumentNode, OperationDefinitionNode

from runtime.errors import LimitExceeded
from runtime.live.errors import Refused, refusal
from runtime.live.guards.complexity import cost_of
from runtime.live.guards.scanning import counted
from runtime.live.guards.shapes import Shapes
from runtime.live.limits import Limits

INTROSPECTED_LISTS = 2  # `fields` in `fields` is one too many for every tool; graphql-js refuses three
SUGGESTIONS = ("Did you mean ", "Perhaps you meant ")


def limited(what: str, actual: int, limit: int, way_out: str) -> NoReturn:
    """Refuse: `what` is too much."""
    raise Refused([refusal(str(LimitExceeded(what, actual, limit, way_out)), "LIMIT_EXCEEDED")])


def check_size(data: str | bytes, limits: Limits) -> None:
    """Before anything is parsed: the bytes of a frame or body."""
    size = _bytes(data, limits.message_bytes)
    if size > limits.message_bytes:
        limited("the message in bytes", size, limits.message_bytes, "send less at once; long texts and lists belong into several requests")


def check_text(text: str, limits: Limits) -> None:
    """Before a document is parsed: its bytes, its tokens (comments count), and what can be seen without parsing it."""
    size = _bytes(text, limits.document_bytes)
    if size > limits.document_bytes:
        limited("the document in bytes", size, limits.document_bytes, "pass long values as variables")
    found = counted(text, limits.tokens)
    for what, actual, limit, way_out in (
        ("the number of tokens", found.tokens, limits.tokens, "ask for fewer fields, or in several documents"),
        ("the nesting of brackets", found.nesting, limits.nesting, "ask for less depth; pass nested filters as variables"),
        ("the number of aliases", found.aliases, limits.aliases, "send several documents"),
        ("the number of directives", found.directives, limits.directives, "leave some out"),
        ("the number of fragments", found.fragments, limits.fragments, "put fields where they are asked for"),
        ("the number of spreads", found.spreads, limits.spreads, "put fields where they are asked for"),
        ("the number of fields", found.fields, limits.fields, "ask for fewer, or in several documents"),
        ("the number of fields of one operation itself", found.roots, limits.root_fields, "send several operations"),
        ("the number of pairs of fields with one response name", found.duplicates, limits.duplicates, "ask for each field once"),
    ):
        if actual > limit:
            limited(what, actual, limit, way_out)


def check_shape(document: DocumentNode, limits: Limits, production: bool = False) -> None:
    """Before validation, which compares fields pair by pair: everything that follows from the document alone."""
    shapes = Shapes(document)
    if shapes.cycle:
        raise Refused([refusal(f"fragment {shapes.cycle!r} spreads itself: break the circle", "BAD_REQUEST")])
    if shapes.most_directives > limits.directives_per_field:
        limited("the number of directives in one place", shapes.most_directives, limits.directives_per_field, "leave some out")
    for shape in shapes.operations:
        if production and shape.introspects:
            raise Refused([refusal("introspection is switched off on this gateway: ask its owner for the schema", "FORBIDDEN")])
        for what, actual, limit, way_out in (
            ("the depth", shape.depth, limits.depth, "ask for nested rows in a query of their own"),
            ("the nesting of selections", shape.levels, limits.nesting, "use fewer fragments within fragments"),
            ("the depth of introspection", shape.introspection_depth, limits.introspection_depth, "ask as the usual tools do"),
            ("the nesting of introspected lists", shape.introspected_many, INTROSPECTED_LISTS, "ask as the usual tools do"),
            ("the number of fields", shape.fields, limits.fields, "ask for fewer; a fragment counts wherever it is spread"),
            ("the number of aliases", shape.aliases, limits.aliases, "send several documents"),
            ("the number of directives", shape.directives, limits.directives, "leave some out"),
            ("the number of fields of one operation itself", shape.roots, limits.root_fields, "send several operations"),
        ):
            if actual > limit:
                limited(what, actual, limit, way_out)
    pairs = shapes.duplicates(limits.duplicates)
    if pairs > limits.duplicates:
        limited("the number of pairs of fields with one response name", pairs, limits.duplicates, "ask for each field once")


def check_variables(variables: Mapping[str, Any] | None, limits: Limits) -> None:
    """Before variables are coerced: how deep they are, and how long."""
    if not variables:
        return
    depth = depth_of(variables, limits.variables_depth)
    if depth > limits.variables_depth:
        limited("the nesting of variables", depth, limits.variables_depth, "send flatter values")
    try:
        size = len(msgspec.json.encode(variables))
    except (TypeError, ValueError, RecursionError):  # a value that JSON does not have is refused where it is coerced
        return
    if size > limits.variables_bytes:
        limited("the variables in bytes", size, limits.variables_bytes, "send less at once")


def depth_of(value: Any, enough: int) -> int:
    """How many lists and objects are in each other; `enough` + 1 for more than that."""
    level, depth = [value], 0
    while level and depth <= enough:
        inner = [item for item in level if isinstance(item, dict | list)]
        depth += bool(inner)
        level = [part for item in inner for part in (item.values() if isinstance(item, dict) else item)]
    return depth


def check_document(
    document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any], schema: GraphQLSchema, limits: Limits
) -> None:
    """For each request with a valid document: fields, times the rows that its pages ask for, in hundreds."""
    cost = -(-cost_of(document, operation, variables, schema, limits) // 100)
    if cost > limits.complexity:
        limited(
            "the complexity (fields times rows, in hundreds)", cost, limits.complexity, "ask for fewer rows (`first`) or fields at once"
        )


def unsuggested(error: GraphQLError, production: bool) -> str:
    """The message of a validation error; in production without the names that it suggests, since they are the schema's."""
    message = error.message
    if production:
        for words in SUGGESTIONS:  # no pattern: the text may hold a client's own, as long and as odd as they like
            message = message.partition(words)[0].rstrip()
    return message or "not valid"


def _bytes(data: str | bytes, enough: int) -> int:
    """The length in UTF-8; not measured further once there are `enough` characters."""
    if isinstance(data, bytes) or len(data) > enough or data.isascii():
        return len(data)
    return len(data.encode("utf-8", "replace"))
