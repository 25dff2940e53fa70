"""The public keys of an identity provider (RFC 7517), so that tokens can be checked without asking it about each.

Keys change: a token that names an unknown key makes us look again, but at most every few seconds, since anybody can make up names.
While the provider is down its last keys go on for an hour: tokens that were issued before live about as long.
"""

import logging
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from jwt import PyJWK
from jwt.exceptions import PyJWTError
from msgspec import Struct

from runtime.live.callers.sources import Watched

LOG = logging.getLogger("trimaran.gateway")
RSA_BITS_MIN = 2048
KEYS_MAX = 100

# Which algorithm a key may be used with, by its type: the key decides, never the token (RFC 8725, 3.1).
ALGORITHMS: Mapping[tuple[str, str], str] = {
    ("RSA", ""): "RS256",
    ("EC", "P-256"): "ES256",
    ("OKP", "Ed25519"): "EdDSA",
}


class Key(Struct, frozen=True):
    """A public key that may sign tokens, with the one algorithm that it signs with."""

    id: str
    algorithm: str
    public: PyJWK


class KeySet:
    """The keys behind a URL (https, or http on this machine) or in a file."""

    def __init__(
        self,
        source: str,
        *,
        every_s: float = 300.0,
        again_s: float = 3.0,
        stale_s: float = 3_600.0,
        timeout_s: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stale_s = stale_s
        self._keys = Watched(source, keys_of, every_s=every_s, again_s=again_s, timeout_s=timeout_s, clock=clock)

    def find(self, id: str) -> Key | None:
        """The key of this name; reads the document again when it is due or the name is new, so it may block."""
        known = self._usable()
        if id not in known:
            self._keys.refresh(wait=True)
        elif self._keys.due:
            self._keys.refresh(wait=False)
        return self._usable().get(id)

    def gone(self, id: str) -> bool:
        """Whether the provider has withdrawn a key that it had; never blocks. An outage withdraws nothing."""
        self._keys.refresh_soon()
        known = self._keys.known
        return known is not None and id not in known

    @property
    def readable(self) -> bool:
        """Whether there are keys that may be used."""
        return self._keys.known is not None and self._keys.age_s < self._stale_s

    def _usable(self) -> Mapping[str, Key]:
        known = self._keys.known
        return known if known is not None and self.readable else {}


def keys_of(document: Any) -> Mapping[str, Key]:
    """The usable keys of a key set. ValueError for what is none; an empty set is one: nobody may sign any more."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it is no JSON Web Key Set: an object with a list `keys`")
    keys: dict[str, Key] = {}
    for entry in listed[:KEYS_MAX]:
        key = key_of(entry)
        if key is not None:
            keys.setdefault(key.id, key)
    if listed and not keys:
        LOG.warning("a key set of %d keys has none that can check RS256, ES256 or EdDSA and has a `kid`", len(listed))
    return MappingProxyType(keys)


def key_of(entry: Any) -> Key | None:
    """A public signing key with a name, of a kind that we accept; None for any other entry, which is not ours to judge."""
    if not isinstance(entry, dict) or "k" in entry:
        return None
    id, kind, curve = entry.get("kid"), entry.get("kty"), entry.get("crv", "")
    if not (isinstance(id, str) and id and isinstance(kind, str) and isinstance(curve, str)):
        return None
    algorithm = ALGORITHMS.get((kind, curve))
    if algorithm is None or entry.get("alg", algorithm) != algorithm or entry.get("use", "sig") != "sig":
        return None
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        public = PyJWK({name: value for name, value in entry.items() if name in ("kty", "crv", "n", "e", "x", "y")}, algorithm)
    except (PyJWTError, ValueError, TypeError):
        return None
    if kind == "RSA" and public.key.key_size < RSA_BITS_MIN:
        return None
    return Key(id, algorithm, public)
