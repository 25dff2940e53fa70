"""The gateway of `trimaran dev` and `trimaran demo`: the same one, over the ports of this process, with a page to try it out.

Where no identity provider is set it believes tokens that it signs itself, with a key in the app's data folder. The page is handed
such a token, so it is shown on this machine only.
"""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from starlette.routing import BaseRoute

from hosts.admission import on_this_machine, verifier_of
from hosts.dev_tokens import DevTokens
from hosts.gateway import Ports, open_gateway, open_silent, sender_of
from hosts.gateway_settings import gateway_settings
from hosts.http import Face, Health
from hosts.local import Local
from hosts.pages.examples import examples
from hosts.pages.graphiql import Example, routes
from hosts.serving import Serving
from hosts.settings import Settings, folder_of
from runtime.domain import App
from runtime.domain.api import Role

VISITOR = "ann"  # who the page's visitor is, in dev


class LocalGateway(Struct):
    """The served gateway; `tokens` None where an identity provider signs them."""

    serving: Serving
    tokens: DevTokens | None
    shows_pages: bool
    shows_something: bool = True


def open_local_gateway(local: Local, told: Settings, health: Health, first: Sequence[Example] = ()) -> LocalGateway:
    """Bound, not started; the page shows `first` before the app's own examples. Raises `Misconfigured` for an address that cannot be had."""
    rules = gateway_settings(production=False)
    tokens = None if rules.jwks else DevTokens(Path(folder_of(told.app)))
    verifier = verifier_of(rules) if tokens is None else tokens.verifier()
    here = on_this_machine(told.host)
    ports = Ports(local.rows, local.signals, sender_of(local.commands), Face(local.app, local.commands, local.reading, health))
    if not (local.app.api or local.app.fields or local.app.schema):
        return LocalGateway(open_silent(ports, told, rules, plain=here), tokens, False, False)
    pages = _pages(local.app, tokens, first) if here and not rules.production else []
    return LocalGateway(open_gateway(local.app, ports, told, rules, verifier, pages=pages, plain=here), tokens, bool(pages))


def _pages(app: App, tokens: DevTokens | None, first: Sequence[Example]) -> list[BaseRoute]:
    """The explorer, signed in as a visitor with every role that the app's rights may ask for in dev."""
    return routes(app.name, lambda: tokens.sign(VISITOR, roles=roles(app)) if tokens else "", [*first, *examples(app, VISITOR)])


def roles(app: App) -> tuple[str, ...]:
    """The roles that some right of this app names."""
    return tuple(sorted({shown.allow.name for shown in app.api if isinstance(shown.allow, Role)}))
