"""Who may send which command to a command function that is reachable from elsewhere: the same rights as in the gateway.

Without an identity provider nobody can be told from anybody else, so such a function listens on this machine only.
"""

from collections.abc import Mapping
from ipaddress import ip_address

from hosts.gateway_settings import GatewaySettings
from runtime.domain import App, Command
from runtime.domain.api import Identity
from runtime.errors import Malformed, Misconfigured
from runtime.live.callers.identity import Anonymous, JwtVerifier, Verifier, token_of
from runtime.live.callers.revocation import Revocation
from runtime.live.callers.rights import may_send


def on_this_machine(host: str) -> bool:
    """Whether only processes of this machine can connect to this address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_strangers(host: str, *, verified: bool) -> None:
    """`Misconfigured` for an address that others reach while nobody's tokens are checked."""
    if not verified and not on_this_machine(host):
        raise Misconfigured(
            f"--host {host} lets other machines send any command: set TRIMARAN_JWKS, TRIMARAN_ISSUER and TRIMARAN_AUDIENCE, "
            "or listen on 127.0.0.1"
        )


def verifier_of(told: GatewaySettings) -> Verifier:
    """Who is believed: the tokens of the identity provider, or nobody's."""
    if not told.jwks:
        return Anonymous()
    revocation = Revocation(told.revoked, poll_s=told.limits.revocation_poll_s) if told.revoked else None
    return JwtVerifier(told.jwks, issuer=told.issuer, audience=told.audience, revocation=revocation, token_bytes=told.limits.token_bytes)


class Admission:
    """Checks callers against `send(…, allow=…)`."""

    def __init__(self, app: App, verifier: Verifier) -> None:
        self._app, self._verifier = app, verifier

    def tenant(self, command: Command, headers: Mapping[str, str]) -> str:
        """The tenant to send it for. Raises `Unauthenticated`, `Forbidden`, or `Malformed` for a tenant header that says another one."""
        token = token_of(headers)
        identity = self._verifier.verify(token).identity if token else Identity()
        tenant = may_send(self._app, command, identity)
        if headers.get("tenant", tenant) != tenant:
            raise Malformed("header `Tenant`: the token belongs to another tenant; leave the header out")
        return tenant
