"""Who may see and send what: `allow` and the tenant as a filter that becomes part of the question, never a check after reading.

Deny by default: whatever `allow` answers that is neither True nor a filter is a no; an `allow` that raises is a fault of the app, and a no.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from runtime.domain.api import Identity, Sendable
from runtime.domain.app import App
from runtime.domain.filters import EVERYTHING, And, Compare, Filter, In, IsNull, Not, Or, matches
from runtime.domain.messages import Command
from runtime.errors import Misconfigured
from runtime.live.errors import Forbidden, Unauthenticated
from runtime.live.schema.views import View

FILTERS = (Compare, In, IsNull, And, Or, Not)


def tenant_of(app: App, identity: Identity) -> str:
    """The caller's tenant, "" where the app has none; refused without its claim."""
    if app.tenant is None:
        return ""
    tenant = identity.claims.get(app.tenant)
    if not isinstance(tenant, str) or not tenant or "/" in tenant or "\0" in tenant:
        raise refused(identity, f"the token has no usable claim {app.tenant!r}, which says whose data this is")
    return tenant


def rows_of(view: View, identity: Identity) -> Filter:
    """The rows of a part that a caller may see."""
    allowed = view.exposed.allow(identity)
    if allowed is True:
        return EVERYTHING
    if isinstance(allowed, FILTERS):
        check_fields(allowed, {shown.column for shown in view.columns}, f"expose({view.part!r})")
        return allowed
    raise refused(identity, f"you may not read `{view.one}`")


def may_send(app: App, command: Command, identity: Identity) -> str:
    """The tenant that a command is sent for. `Unauthenticated` or `Forbidden` unless `api` lets this caller send it.

    A filter that `allow` answers is about the command's own fields: `send(PlaceOrder, allow=owner("customer"))`.
    """
    allowed = sending_rule(app, type(command), identity)
    fields: Mapping[str, Any] = msgspec.structs.asdict(command)
    if not matches(allowed, fields):
        raise refused(identity, f"you may not send {type(command).__name__} with these values")
    return tenant_of(app, identity)


def sending_rule(app: App, command: type[Command], identity: Identity) -> Filter:
    """What must be true of a command's fields; refused when nothing is allowed."""
    found = next((one for one in app.api if isinstance(one, Sendable) and one.command is command), None)
    allowed = found is not None and found.allow(identity)
    if allowed is True:
        return EVERYTHING
    if isinstance(allowed, FILTERS):
        check_fields(allowed, set(command.__struct_fields__), f"send({command.__name__})")
        return allowed
    raise refused(identity, f"you may not send {command.__name__}")


def refused(identity: Identity, text: str) -> Forbidden | Unauthenticated:
    """Nobody is asked to sign in; somebody is told no."""
    return Forbidden(text) if identity.subject else Unauthenticated(f"{text} without signing in")


def check_fields(where: Filter, fields: set[str], whose: str) -> None:
    """A rule about a field that is not there is a mistake of the app, and nobody is let through by it."""
    match where:
        case Compare(field) | In(field) | IsNull(field):
            if field not in fields:
                raise Misconfigured(f"{whose}: allow= asks about a field {field!r} that is not there")
        case And(terms) | Or(terms):
            for term in terms:
                check_fields(term, fields, whose)
        case Not(term):
            check_fields(term, fields, whose)
