"""Tokens for trying things out on one's own machine, where there is no identity provider: signed with a key in the app's data folder.

The key is made at the first need and stays, so that tokens survive a restart. Whoever can read the file can be anybody; it is for its
owner only (mode 600), and gateways elsewhere do not believe it.
"""

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from runtime.errors import Misconfigured
from runtime.flow.world import WORLD
from runtime.live.callers.identity import JwtVerifier
from runtime.live.callers.jwks import KeySet

ISSUER, AUDIENCE = "trimaran-dev", "trimaran"
TTL_S = 12 * 3_600.0
KEY_FILE, JWKS_FILE = "dev-key.pem", "dev-jwks.json"


class DevTokens:
    """Signs and verifies the tokens of one folder. Raises `Misconfigured` for a key file that others could read or that is none."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._key = _key_in(folder / KEY_FILE)
        public = msgspec.json.decode(OKPAlgorithm.to_jwk(self._key.public_key()))
        self._id = f"dev-{public['x'][:8]}"
        self._jwks = folder / JWKS_FILE
        _write(self._jwks, msgspec.json.encode({"keys": [public | {"kid": self._id, "alg": "EdDSA", "use": "sig"}]}), replace=True)

    def sign(self, subject: str, roles: Sequence[str] = (), claims: Mapping[str, Any] | None = None, ttl_s: float = TTL_S) -> str:
        """A token for a subject. `claims` come on top, but none that says whose token it is and until when."""
        now = time.time()
        own = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + ttl_s, "jti": WORLD.token(), "roles": list(roles)}
        given = claims or {}
        if taken := sorted(set(given) & set(own)):
            raise Misconfigured(f"claims {', '.join(taken)} are set by `sign` itself")
        return jwt.encode(own | dict(given), self._key, algorithm="EdDSA", headers={"kid": self._id})

    def verifier(self) -> JwtVerifier:
        """Believes these tokens and no others."""
        return JwtVerifier(KeySet(str(self._jwks)), issuer=ISSUER, audience=AUDIENCE)


def _key_in(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(path, pem, replace=False)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise Misconfigured(f"{path} can be read by others (mode {mode:o}): delete it, a new key is made at the next start")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        raise Misconfigured(f"{path} holds no private key: delete it, a new one is made at the next start") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(f"{path} holds a key of another kind than Ed25519: delete it, a new one is made at the next start")
    return key


def _write(path: Path, data: bytes, *, replace: bool) -> None:
    """All of it or nothing, readable by its owner only; of two processes at once the first one's file stays, unless `replace`."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(name).replace(path)
        else:
            try:
                os.link(name, path)
            except FileExistsError:
                return
    finally:
        Path(name).unlink(missing_ok=True)
