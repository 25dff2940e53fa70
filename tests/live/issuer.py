"""An identity provider for tests: a real HTTP server on loopback that publishes keys, and signs whatever it is asked to."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://issuer.test", "shop"

type Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)  # once: making one takes a while


def a_key(algorithm: str) -> Private:
    """A private key that signs with an algorithm."""
    match algorithm:
        case "RS256":
            return _RSA
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def as_jwk(key: Private, id: str) -> dict[str, Any]:
    """Its public part as a JSON Web Key."""
    match key:
        case rsa.RSAPrivateKey():
            text = RSAAlgorithm.to_jwk(key.public_key())
        case ec.EllipticCurvePrivateKey():
            text = ECAlgorithm.to_jwk(key.public_key())
        case _:
            text = OKPAlgorithm.to_jwk(key.public_key())
    return {name: value for name, value in json.loads(text).items() if name != "key_ops"} | {"kid": id, "use": "sig"}


class Issuer:
    """`keys` are published at `url` by name; `down` answers 503, `body` anything at all, `slow_s` late. `fetched` counts."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Private]] = {"a": ("EdDSA", a_key("EdDSA"))}
        self.down, self.slow_s, self.fetched, self.moved = False, 0.0, 0, ""
        self.body: bytes | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Of its key set."""
        return f"http://127.0.0.1:{self.port}/jwks.json"

    def published(self) -> bytes:
        """The key set as it is now."""
        return json.dumps({"keys": [as_jwk(key, id) for id, (_, key) in self.keys.items()]}).encode()

    def sign(self, subject: str = "ann", *, key: str = "a", headers: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A token; a claim given as None is left out."""
        algorithm, private = self.keys[key]
        now = time.time()
        own = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": int(now), "exp": int(now) + 600}
        payload = {name: value for name, value in (own | claims).items() if value is not None}
        return jwt.encode(payload, private, algorithm=algorithm, headers={"kid": key, **(headers or {})})


@contextmanager
def issuing() -> Iterator[Issuer]:
    """A running issuer."""
    issuer = Issuer()

    class Face(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.fetched += 1
            time.sleep(issuer.slow_s)
            if issuer.moved:
                self.send_response(302)
                self.send_header("Location", issuer.moved)
                self.end_headers()
                return
            body = issuer.published() if issuer.body is None else issuer.body
            self.send_response(503 if issuer.down else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):  # whoever asked has given up
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Face)
    issuer.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
