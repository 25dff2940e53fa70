"""Tokens against a real key server: which are believed, which are not, and that a refusal holds nothing of the token."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from runtime.domain.api import Identity
from runtime.errors import Misconfigured
from runtime.live.callers.identity import Anonymous, JwtVerifier, Session, token_of, verified
from runtime.live.callers.jwks import KeySet, key_of, keys_of
from runtime.live.callers.revocation import Revocation
from runtime.live.callers.sources import Watched
from runtime.live.errors import Unauthenticated
from tests.live.issuer import AUDIENCE, ISSUER, Issuer, a_key, as_jwk, issuing
from tests.patience import PATIENCE_S


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


def verifier(issuer: Issuer, clock: Clock | None = None, **options: Any) -> JwtVerifier:
    keys = KeySet(issuer.url, clock=clock, timeout_s=1.0) if clock else KeySet(issuer.url)
    return JwtVerifier(keys, issuer=ISSUER, audience=AUDIENCE, **options)


def refusal(checking: JwtVerifier, token: str) -> str:
    """What is said about a bad token; never a part of it."""
    with pytest.raises(Unauthenticated) as caught:
        checking.verify(token)
    text = str(caught.value)
    assert not any(part and part in text for part in token.split(".") if len(part) > 8)
    assert caught.value.__cause__ is None  # a log of it holds no token either
    return text


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_token_of_each_algorithm_is_believed(issuer: Issuer, algorithm: str) -> None:
    issuer.keys = {"k": (algorithm, a_key(algorithm))}
    session = verifier(issuer).verify(issuer.sign("ann", key="k", roles=["clerk"], jti="t-1"))
    assert (session.identity.subject, session.identity.claims["roles"], session.key, session.token_id) == ("ann", ["clerk"], "k", "t-1")
    assert session.expires_at is not None and session.expires_at > time.time() + 500


def test_many_tokens_cost_one_reading_of_the_keys(issuer: Issuer) -> None:
    checking = verifier(issuer)
    for _ in range(50):
        checking.verify(issuer.sign())
    assert issuer.fetched == 1


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def good_claims() -> dict[str, Any]:
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": int(time.time()), "exp": int(time.time()) + 600}


@pytest.mark.parametrize("none", ["none", "None", "NONE", "", None])
def test_no_signature_is_no_token(issuer: Issuer, none: str | None) -> None:
    assert "alg" in refusal(verifier(issuer), unsigned({"alg": none, "kid": "a"}, good_claims()))


def test_a_public_key_is_no_shared_secret(issuer: Issuer) -> None:
    """Algorithm confusion: HS256 with the published RSA key, as text, PEM and DER, as the secret."""
    private = a_key("RS256")
    issuer.keys = {"k": ("RS256", private)}
    public = private.public_key()
    secrets = [
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        json.dumps(as_jwk(private, "k")).encode(),
        b"",
    ]
    for secret in secrets:
        bare = unsigned({"alg": "HS256", "kid": "k", "typ": "JWT"}, good_claims()).rstrip(".")
        mac = hmac.new(secret, bare.encode(), hashlib.sha256).digest()
        token = f"{bare}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
        assert "alg" in refusal(verifier(issuer), token)


def test_the_key_decides_the_algorithm_not_the_token(issuer: Issuer) -> None:
    private = a_key("RS256")
    issuer.keys = {"r": ("RS256", private), "e": ("ES256", a_key("ES256"))}
    for other in ("RS512", "PS256"):
        token = jwt.encode(good_claims(), private, algorithm=other, headers={"kid": "r"})
        assert "alg" in refusal(verifier(issuer), token)
    token = jwt.encode(good_claims(), private, algorithm="RS256", headers={"kid": "e"})
    assert "alg" in refusal(verifier(issuer), token)


def test_another_key_under_a_known_name_does_not_fit(issuer: Issuer) -> None:
    token = jwt.encode(good_claims(), a_key("EdDSA"), algorithm="EdDSA", headers={"kid": "a"})
    assert "signature" in refusal(verifier(issuer), token)


def test_a_changed_claim_does_not_fit(issuer: Issuer) -> None:
    header, _, signature = issuer.sign("ann").split(".")
    forged = unsigned({}, good_claims() | {"sub": "root"}).split(".")[1]
    assert "signature" in refusal(verifier(issuer), f"{header}.{forged}.{signature}")


def test_keys_that_a_token_brings_along_are_not_looked_at(issuer: Issuer) -> None:
    mine = a_key("EdDSA")
    headers = {"kid": "mine", "jwk": as_jwk(mine, "mine"), "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/"}
    token = jwt.encode(good_claims(), mine, algorithm="EdDSA", headers=headers)
    assert "does not list" in refusal(verifier(issuer), token)


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"exp": int(time.time()) - 1}, "expired"),
        ({"exp": int(time.time())}, "expired"),
        ({"exp": None}, "no `exp`"),
        ({"exp": "tomorrow"}, "`exp` is no time"),
        ({"exp": True}, "`exp` is no time"),
        ({"exp": float("inf")}, "`exp` is no time"),
        ({"exp": float("nan")}, "`exp` is no time"),
        ({"exp": 10**400}, "`exp` is no time"),
        ({"exp": []}, "`exp` is no time"),
        ({"nbf": int(time.time()) + 3_600}, "not valid yet"),
        ({"nbf": "x"}, "`nbf` is no time"),
        ({"iat": int(time.time()) + 3_600}, "not valid yet"),
        ({"iat": {}}, "`iat` is no time"),
        ({"iss": "https://other.test"}, "another issuer"),
        ({"iss": None}, "no `iss`"),
        ({"iss": ISSUER + "/"}, "another issuer"),
        ({"aud": "bank"}, "another audience"),
        ({"aud": ["bank", "post"]}, "another audience"),
        ({"aud": None}, "no `aud`"),
        ({"aud": []}, "no `aud`"),
        ({"aud": {"shop": 1}}, "another audience"),
        ({"aud": [1]}, "another audience"),
        ({"sub": None}, "no `sub`"),
        ({"sub": ""}, "`sub`"),
        ({"sub": 7}, "not valid"),
        ({"sub": "a\nb"}, "`sub`"),
        ({"sub": "ann\u202e"}, "`sub`"),
        ({"sub": "x" * 257}, "`sub`"),
        ({"jti": 7}, "not valid"),
        ({"jti": "x" * 257}, "`jti`"),
    ],
)
def test_a_signed_token_with_wrong_claims_is_refused(issuer: Issuer, claims: dict[str, Any], says: str) -> None:
    private = issuer.keys["a"][1]
    payload = {name: value for name, value in (good_claims() | claims).items() if value is not None}
    token = jwt.api_jws.encode(json.dumps(payload).encode(), private, algorithm="EdDSA", headers={"kid": "a"})
    assert says in refusal(verifier(issuer), token)


def test_one_of_several_audiences_is_enough(issuer: Issuer) -> None:
    assert verifier(issuer).verify(issuer.sign(aud=["bank", AUDIENCE])).identity.subject == "ann"


def test_the_issuers_clock_may_be_a_little_ahead(issuer: Issuer) -> None:
    soon = int(time.time()) + 20
    assert verifier(issuer).verify(issuer.sign(iat=soon, nbf=soon)).identity.subject == "ann"
    assert "not valid yet" in refusal(verifier(issuer, leeway_s=1.0), issuer.sign(nbf=soon))


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "a" * 100,
        "ä.ö.ü",
        "eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ..",
        "\x00.\x00.\x00",
        "bm8ganNvbg.e30.e30",
        base64.urlsafe_b64encode(b"[" * 3_000).decode().rstrip("=") + ".e30.e30",
        base64.urlsafe_b64encode(b'{"kid":' * 2_000).decode().rstrip("=") + ".e30.e30",
        unsigned({"alg": "EdDSA", "kid": "a"}, {}),
    ],
)
def test_garbage_is_refused_without_asking_the_issuer_for_more(issuer: Issuer, token: str) -> None:
    assert refusal(verifier(issuer), token).startswith("the token")
    assert issuer.fetched <= 1


def test_a_huge_token_is_not_even_looked_at(issuer: Issuer) -> None:
    token = issuer.sign(padding="x" * 40_000)
    assert "longer than 16,384" in refusal(verifier(issuer), token)
    began = time.thread_time()
    with pytest.raises(Unauthenticated, match="longer"):
        verifier(issuer).verify("a." * 20_000_000)
    assert time.thread_time() - began < 0.5
    assert issuer.fetched == 0


@pytest.mark.parametrize("kid", [None, "", 7, ["a"], {"a": 1}, "x" * 300])
def test_a_token_has_to_name_its_key(issuer: Issuer, kid: Any) -> None:
    header = {"alg": "EdDSA"} if kid is None else {"alg": "EdDSA", "kid": kid}
    refusal(verifier(issuer), unsigned(header, good_claims(), b"x" * 64))
    assert issuer.fetched == 0


@pytest.mark.parametrize(
    "extra", [{"crit": ["exp"], "exp": 1}, {"crit": ["b64"], "b64": False}, {"b64": True}, {"crit": []}, {"crit": "x"}]
)
def test_extensions_that_must_be_understood_are_not(issuer: Issuer, extra: dict[str, Any]) -> None:
    text = refusal(verifier(issuer), unsigned({"alg": "EdDSA", "kid": "a"} | extra, good_claims(), b"x" * 64))
    assert "header" in text or "crit" in text


@pytest.mark.parametrize("typ", ["logout+jwt", "dpop+jwt", "secevent+jwt", 7, None])
def test_tokens_made_for_something_else_are_refused(issuer: Issuer, typ: Any) -> None:
    token = unsigned({"alg": "EdDSA", "kid": "a", "typ": typ}, good_claims(), b"x" * 64)
    assert "typ" in refusal(verifier(issuer), token)
    assert verifier(issuer).verify(issuer.sign(headers={"typ": "at+jwt"})).identity.subject == "ann"


# keys come and go


def test_a_new_key_is_found_when_a_token_names_it(issuer: Issuer, clock: Clock) -> None:
    checking = verifier(issuer, clock)
    checking.verify(issuer.sign())
    issuer.keys["b"] = ("ES256", a_key("ES256"))
    clock.s += 5
    assert checking.verify(issuer.sign(key="b")).key == "b"
    assert issuer.fetched == 2


def test_made_up_key_names_do_not_become_requests(issuer: Issuer, clock: Clock) -> None:
    checking = verifier(issuer, clock)
    checking.verify(issuer.sign())
    for round in range(300):
        refusal(checking, unsigned({"alg": "EdDSA", "kid": f"made-up-{round}"}, good_claims(), b"x" * 64))
        clock.s += 0.01  # three seconds in all
    assert issuer.fetched <= 3
    assert checking.verify(issuer.sign()).identity.subject == "ann"


def checked_at_once(checking: JwtVerifier, token: str, threads: int = 20) -> int:
    """How many of so many threads were told that a token is good."""
    found: list[str] = []

    def check() -> None:
        with suppress(Unauthenticated):
            found.append(checking.verify(token).identity.subject)

    running = [threading.Thread(target=check) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return found.count("ann")


def test_the_first_callers_all_wait_for_one_request(issuer: Issuer) -> None:
    issuer.slow_s = 0.2
    assert checked_at_once(verifier(issuer), issuer.sign()) == 20
    assert issuer.fetched == 1


def test_later_only_a_few_threads_wait_for_a_key_that_may_not_exist(issuer: Issuer, clock: Clock) -> None:
    checking = verifier(issuer, clock)
    checking.verify(issuer.sign())
    issuer.keys["b"], issuer.slow_s = ("EdDSA", a_key("EdDSA")), 0.3
    clock.s += 5
    assert checked_at_once(checking, issuer.sign(key="b")) == 3  # who fetched, and the two that may wait
    assert issuer.fetched == 2
    assert checked_at_once(checking, issuer.sign(key="b")) == 20


def test_a_withdrawn_key_is_not_believed_and_ends_its_sessions(issuer: Issuer, clock: Clock) -> None:
    checking = verifier(issuer, clock)
    token = issuer.sign()
    session = checking.verify(token)
    issuer.keys = {"b": ("EdDSA", a_key("EdDSA"))}
    assert not checking.revoked(session)
    clock.s += 301
    until = time.monotonic() + PATIENCE_S
    while not checking.revoked(session):  # the look itself never waits for the fetch
        assert time.monotonic() < until
        time.sleep(0.01)
    assert "does not list" in refusal(checking, token)
    assert checking.verify(issuer.sign(key="b")).key == "b"


def test_an_empty_key_set_means_that_nobody_may_sign(issuer: Issuer, clock: Clock) -> None:
    checking = verifier(issuer, clock)
    token = issuer.sign()
    checking.verify(token)
    issuer.keys = {}
    clock.s += 301
    refusal(checking, token)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"keys": 7}', b"\xff", b"[" * 100_000])
def test_an_outage_leaves_the_last_keys_in_place_for_an_hour(issuer: Issuer, clock: Clock, body: bytes) -> None:
    checking = verifier(issuer, clock)
    token = issuer.sign()
    session = checking.verify(token)
    issuer.body = body
    clock.s += 1_800
    assert checking.verify(token).identity.subject == "ann"
    clock.s += 1_801
    assert "keys cannot be read" in refusal(checking, token)
    assert not checking.revoked(session)  # an outage withdraws nothing
    issuer.body = None
    for _ in range(100):  # a look that began before may still be under way
        clock.s += 5
        with suppress(Unauthenticated):
            assert checking.verify(token).identity.subject == "ann"
            return
        time.sleep(0.05)
    raise AssertionError("the keys were not found again")


def test_an_outage_is_logged_once_and_so_is_its_end(issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    checking = verifier(issuer, clock)
    checking.verify(issuer.sign())
    issuer.down = True
    for _ in range(5):
        clock.s += 400
        checking.verify(issuer.sign())
    issuer.down = False
    clock.s += 400
    checking.verify(issuer.sign())
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_a_redirect_is_not_followed(issuer: Issuer, clock: Clock) -> None:
    with issuing() as evil:
        issuer.moved = evil.url
        assert "keys cannot be read" in refusal(verifier(issuer, clock), evil.sign())
        assert evil.fetched == 0


def test_an_endless_or_dripping_answer_is_given_up(issuer: Issuer) -> None:
    issuer.body = issuer.published() + b" " * (5 * 1024 * 1024)
    watched = Watched(issuer.url, keys_of, every_s=1, again_s=0)
    watched.refresh(wait=True)
    assert watched.known is None
    issuer.body, issuer.slow_s = None, 2.0
    began = time.monotonic()
    slow = Watched(issuer.url, keys_of, every_s=1, again_s=0, timeout_s=0.3)
    slow.refresh(wait=True)
    assert slow.known is None and time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    "source",
    ["http://issuer.example/keys", "ftp://127.0.0.1/keys", "https://", "https://user:pw@issuer.example/", "file:///etc/keys", "http://["],
)
def test_keys_are_not_fetched_where_somebody_could_change_them(source: str) -> None:
    with pytest.raises(Misconfigured):
        KeySet(source)


def test_keys_may_be_in_a_file(issuer: Issuer, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(issuer.published())
    checking = JwtVerifier(str(file), issuer=ISSUER, audience=AUDIENCE)
    assert checking.verify(issuer.sign()).identity.subject == "ann"
    assert issuer.fetched == 0


def test_only_public_keys_for_signatures_of_our_kinds_are_taken() -> None:
    good = as_jwk(a_key("RS256"), "k")
    small = as_jwk(rsa.generate_private_key(public_exponent=65_537, key_size=1024), "k")
    assert key_of(good) is not None
    for entry in (
        small,
        good | {"use": "enc"},
        good | {"alg": "RS512"},
        good | {"alg": "HS256"},
        good | {"kid": ""},
        good | {"kid": 7},
        good | {"n": "AA"},
        good | {"key_ops": ["encrypt"]},
        good | {"key_ops": 7},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k"},
        {"kty": "EC", "crv": "P-521", "kid": "k", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "secp256k1", "kid": "k", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "kid": "k", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "AA"},
        {"kty": "OKP", "crv": "X25519", "kid": "k", "x": "AA"},
        {"kty": ["RSA"], "kid": "k"},
        "text",
        None,
    ):
        assert key_of(entry) is None, entry


def test_a_verifier_needs_to_know_whose_tokens_for_whom(issuer: Issuer) -> None:
    for issuer_name, audience in (("", "shop"), (ISSUER, "")):
        with pytest.raises(Misconfigured):
            JwtVerifier(issuer.url, issuer=issuer_name, audience=audience)


# revoked


def revoking(tmp_path: Path, document: object) -> Path:
    file = tmp_path / "revoked.json"
    file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize(
    "document",
    [
        {"tokens": ["t-1"]},
        {"keys": ["a"]},
        {"subjects": ["ann"]},
        {"subjects": {"ann": None}},
        {"subjects": {"ann": 4_000_000_000}},  # everything issued before 2096
    ],
)
def test_a_revoked_token_is_refused_and_its_session_ends(issuer: Issuer, tmp_path: Path, clock: Clock, document: object) -> None:
    file = revoking(tmp_path, {})
    checking = verifier(issuer, revocation=Revocation(str(file), clock=clock))
    token, other = issuer.sign(jti="t-1"), issuer.sign("bob", jti="t-2")
    session, others = checking.verify(token), checking.verify(other)
    assert not checking.revoked(session)
    file.write_text(json.dumps(document))
    clock.s += 3
    until = time.monotonic() + PATIENCE_S
    while not checking.revoked(session):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert "revoked" in refusal(checking, token)
    assert checking.revoked(others) == ("keys" in dict(document))  # type: ignore[call-overload]


def test_a_subject_may_sign_in_again_after_being_revoked(issuer: Issuer, tmp_path: Path) -> None:
    file = revoking(tmp_path, {"subjects": {"ann": time.time() - 5}})
    checking = verifier(issuer, revocation=Revocation(str(file)))
    refusal(checking, issuer.sign(iat=int(time.time()) - 60))
    refusal(checking, issuer.sign(iat=None))  # a token that does not say when
    assert checking.verify(issuer.sign()).identity.subject == "ann"


def test_a_list_that_cannot_be_read_any_more_counts_as_it_was(issuer: Issuer, tmp_path: Path, clock: Clock) -> None:
    file = revoking(tmp_path, {"tokens": ["t-1"]})
    revocation = Revocation(str(file), clock=clock)
    for content in (
        "",
        "[]",
        '{"token": ["t-2"]}',
        '{"tokens": "t-2"}',
        '{"tokens": [""]}',
        '{"subjects": {"ann": "now"}}',
        '{"subjects": 7}',
    ):
        file.write_text(content)
        clock.s += 3
        assert revocation.covers("t-1", "", "", 0.0)
        time.sleep(0.05)
        assert revocation.covers("t-1", "", "", 0.0) and not revocation.covers("t-2", "", "", 0.0)
    file.unlink()
    clock.s += 3
    assert revocation.covers("t-1", "", "", 0.0)


def test_a_function_that_has_slept_looks_first(tmp_path: Path, clock: Clock) -> None:
    file = revoking(tmp_path, {})
    revocation = Revocation(str(file), waits=True, clock=clock)
    file.write_text('{"tokens": ["t-1"]}')
    assert not revocation.covers("t-1", "", "", 0.0)  # it looked a moment ago
    clock.s += 3_600
    assert revocation.covers("t-1", "", "", 0.0)


def test_without_a_readable_list_nobody_is_let_in(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="list of revoked tokens"):
        Revocation(str(tmp_path / "missing.json"))


# no token, other tokens


def test_a_gateway_without_a_provider_takes_no_token(issuer: Issuer) -> None:
    with pytest.raises(Unauthenticated, match="no identity provider"):
        Anonymous().verify(issuer.sign())
    assert not Anonymous().revoked(Session(Identity()))


@pytest.mark.parametrize(
    ("given", "token"),
    [
        (None, None),
        ({}, None),
        ({"authorization": "Bearer abc"}, "abc"),
        ({"Authorization": "bearer   abc "}, "abc"),
        ({"AUTHORIZATION": "BEARER abc"}, "abc"),
        ({"token": "abc"}, "abc"),
        ({"authorization": "Bearer abc", "token": "xyz"}, "abc"),
        ({"authorization": None}, None),
        ({"authorization": ""}, None),
        ({"token": ""}, None),
        ({"other": "Bearer abc"}, None),
    ],
)
def test_where_a_token_is_looked_for(given: dict[str, Any] | None, token: str | None) -> None:
    assert token_of(given) == token


@pytest.mark.parametrize(
    "given",
    [{"authorization": "Basic YTpi"}, {"authorization": 7}, {"authorization": ["Bearer a"]}, {"token": {}}, {"authorization": "Bearer "}],
)
def test_credentials_that_are_no_bearer_token_do_not_make_one_nobody(issuer: Issuer, given: dict[str, Any]) -> None:
    token = token_of(given)
    assert token is not None
    refusal(verifier(issuer), token)


def test_bad_tokens_during_an_outage_leave_the_loops_threads_alone(issuer: Issuer) -> None:
    issuer.slow_s = 3.0
    checking = verifier(issuer)

    async def attack() -> bool:
        bad = [asyncio.ensure_future(verified(checking, unsigned({"alg": "EdDSA", "kid": f"k{n}"}, {}, b"x" * 64))) for n in range(40)]
        flood = asyncio.gather(*bad, return_exceptions=True)
        await asyncio.sleep(0.05)
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.01) for _ in range(4)))
        first = not any(task.done() for task in bad)
        await flood
        return first

    assert asyncio.run(attack())
