"""The gateway of `trimaran dev` and `trimaran demo`: the same one, over the ports of this process, with the studio and the explorer.

Where no identity provider is set it believes tokens that it signs itself, with a key in the app's data folder. The pages are handed
such a token, so they are shown on this machine only, and so is what they ask (hosts.admin).
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct
from starlette.routing import BaseRoute

from hosts.admin import Admin
from hosts.admin.routes import OPERATOR
from hosts.admin.routes import routes as admin_routes
from hosts.admission import on_this_machine, verifier_of
from hosts.dev_tokens import DevTokens
from hosts.gateway import Figures, Pages, Ports, no_pages, open_gateway, open_silent, sender_of
from hosts.gateway_settings import gateway_settings
from hosts.http import Face, Health
from hosts.local import Local
from hosts.pages import graphiql, studio
from hosts.pages.examples import examples
from hosts.pages.graphiql import Example
from hosts.serving import Serving
from hosts.settings import Settings, folder_of
from hosts.site import PATH
from runtime.domain import App
from runtime.domain.api import Role
from runtime.live.callers.identity import Verifier

VISITOR = "ann"  # who the page's visitor is, in dev


class LocalGateway(Struct):
    """The served gateway; `tokens` None where an identity provider signs them."""

    serving: Serving
    tokens: DevTokens | None
    shows_pages: bool
    shows_something: bool = True


def open_local_gateway(local: Local, told: Settings, health: Health, first: Sequence[Example] = ()) -> LocalGateway:
    """Bound, not started; the explorer shows `first` before the app's own examples. Raises `Misconfigured` for an address that cannot be had."""
    rules = gateway_settings(production=False)
    tokens = None if rules.jwks else DevTokens(Path(folder_of(told.app)))
    verifier = verifier_of(rules) if tokens is None else tokens.verifier()
    here = on_this_machine(told.host)
    ports = Ports(local.rows, local.signals, sender_of(local.commands), Face(local.app, local.commands, local.reading, health))
    something = bool(local.app.api or local.app.fields or local.app.schema)
    shows = here and not rules.production
    pages = _pages(local, told, verifier, _visitor(local.app, tokens), first if something else None) if shows else no_pages
    if something:
        serving = open_gateway(local.app, ports, told, rules, verifier, pages=pages, plain=here)
    else:
        serving = open_silent(ports, told, rules, pages=pages, plain=here)
    return LocalGateway(serving, tokens, shows, something)


def _pages(local: Local, told: Settings, verifier: Verifier, token: Callable[[], str], first: Sequence[Example] | None) -> Pages:
    """The studio and what it asks; the explorer where there is something to explore (`first` not None)."""
    app = local.app

    def made(figures: Figures) -> list[BaseRoute]:
        admin = Admin(app, local, told, verifier, figures)
        local.ending.append(admin.close)
        endpoint = "" if first is None else PATH
        shown = [*studio.routes(app.name, token, app=app.name, endpoint=endpoint), *admin_routes(admin)]
        return shown if first is None else [*shown, *graphiql.routes(app.name, token, [*first, *examples(app, VISITOR)])]

    return made


def _visitor(app: App, tokens: DevTokens | None) -> Callable[[], str]:
    """A token of a visitor with every role that the app's rights may ask for, and an operator's; "" where others sign."""
    return lambda: tokens.sign(VISITOR, roles=(*roles(app), OPERATOR)) if tokens else ""


def roles(app: App) -> tuple[str, ...]:
    """The roles that some right of this app names."""
    return tuple(sorted({shown.allow.name for shown in app.api if isinstance(shown.allow, Role)}))
