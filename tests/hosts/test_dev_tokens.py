"""The tokens of `dev`: signed with a key of one's own machine, which stays, and which nobody else may read."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hosts.dev_tokens import DevTokens
from runtime.errors import Misconfigured
from runtime.live.errors import Unauthenticated


def test_a_token_names_subject_roles_and_claims(tmp_path: Path) -> None:
    tokens = DevTokens(tmp_path / "shop")
    session = tokens.verifier().verify(tokens.sign("ann", roles=("clerk",), claims={"tenant": "acme"}))
    claims = session.identity.claims
    assert (session.identity.subject, claims["roles"], claims["tenant"]) == ("ann", ["clerk"], "acme")
    assert session.token_id


def test_tokens_survive_a_restart(tmp_path: Path) -> None:
    token = DevTokens(tmp_path).sign("ann")
    assert DevTokens(tmp_path).verifier().verify(token).identity.subject == "ann"


def test_the_key_is_for_its_owner_only(tmp_path: Path) -> None:
    DevTokens(tmp_path)
    key = tmp_path / "dev-key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["dev-jwks.json", "dev-key.pem"]
    assert "PRIVATE" not in (tmp_path / "dev-jwks.json").read_text() and '"d"' not in (tmp_path / "dev-jwks.json").read_text()
    key.chmod(0o644)
    with pytest.raises(Misconfigured, match="can be read by others"):
        DevTokens(tmp_path)


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_file_that_is_no_key_is_said_to_be_none(tmp_path: Path, content: str) -> None:
    key = tmp_path / "dev-key.pem"
    key.write_text(content)
    key.chmod(0o600)
    with pytest.raises(Misconfigured, match="delete it"):
        DevTokens(tmp_path)


def test_many_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: DevTokens(tmp_path), range(8)))
    for tokens in made:
        for others in made:
            assert others.verifier().verify(tokens.sign("ann")).identity.subject == "ann"


def test_another_folders_tokens_are_not_believed(tmp_path: Path) -> None:
    with pytest.raises(Unauthenticated, match="does not list"):
        DevTokens(tmp_path / "a").verifier().verify(DevTokens(tmp_path / "b").sign("ann"))


def test_a_token_ends_and_its_own_claims_cannot_be_replaced(tmp_path: Path) -> None:
    tokens = DevTokens(tmp_path)
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.verifier().verify(tokens.sign("ann", ttl_s=-1))
    with pytest.raises(Misconfigured, match="exp, sub"):
        tokens.sign("ann", claims={"sub": "bob", "exp": 0})
