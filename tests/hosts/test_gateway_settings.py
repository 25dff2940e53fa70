"""What a gateway is told by its environment: every mistake is named, with the way out."""

import pytest

from hosts.admission import refuse_strangers
from hosts.gateway_settings import GatewaySettings, gateway_settings
from runtime.errors import Misconfigured


def told(monkeypatch: pytest.MonkeyPatch, **said: str) -> GatewaySettings:
    for name, value in said.items():
        monkeypatch.setenv(f"TRIMARAN_{name}", value)
    return gateway_settings(production=False)


def test_without_a_word_nobody_can_sign_in_and_only_own_pages_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch) == GatewaySettings()


def test_everything_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(
        monkeypatch,
        JWKS="https://id.example/jwks",
        ISSUER="https://id.example/",
        AUDIENCE="shop",
        ORIGINS="https://shop.example, https://www.shop.example/",
        COMMANDS="https://commands.example/",
        PRODUCTION="1",
        LIMITS='{"depth": 5}',
    )
    assert (found.jwks, found.issuer, found.audience) == ("https://id.example/jwks", "https://id.example/", "shop")
    assert found.origins == ("https://shop.example", "https://www.shop.example")
    assert (found.commands, found.production, found.limits.depth) == ("https://commands.example", True, 5)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"JWKS": "https://id.example/jwks"}, "TRIMARAN_ISSUER"),
        ({"ISSUER": "x", "AUDIENCE": "y"}, "TRIMARAN_JWKS"),
        ({"ORIGINS": "shop.example"}, "'shop.example' is no origin"),
        ({"ORIGINS": "https://shop.example/path"}, "is no origin"),
        ({"COMMANDS": "commands.example"}, "no http or https URL"),
        ({"PRODUCTION": "yes"}, "say 1 or 0"),
        ({"LIMITS": '{"dept": 5}'}, "dept"),
        ({"LIMITS": '{"depth": "deep"}'}, "depth"),
        ({"LIMITS": '{"depth": 0}'}, "depth is 0"),
        ({"LIMITS": "{"}, "TRIMARAN_LIMITS"),
    ],
)
def test_a_mistake_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch, said: dict[str, str], named: str) -> None:
    with pytest.raises(Misconfigured, match=named):
        told(monkeypatch, **said)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_without_an_identity_provider_commands_are_taken_from_this_machine(host: str) -> None:
    refuse_strangers(host, verified=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "shop.example"])
def test_and_from_no_other(host: str) -> None:
    with pytest.raises(Misconfigured, match="TRIMARAN_JWKS"):
        refuse_strangers(host, verified=False)
    refuse_strangers(host, verified=True)
