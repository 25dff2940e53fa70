"""Reads a `kafka://` URL: which brokers, which security, which patience; an unknown option is refused by name.

    kafka://[user:password@]host:port[,host:port …][?option=value&…]

User and password are percent-decoded (Event Hubs' user name is `$ConnectionString`); without them the environment's
TRIMARAN_KAFKA_USERNAME and TRIMARAN_KAFKA_PASSWORD count, so that a secret need not stand in a URL.
"""

import os
from typing import Any
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from providers.kafka.msk import prepare
from providers.kafka.oauth import ClientCredentials
from runtime.errors import Misconfigured

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM")
OPTIONS = {
    "security_protocol": "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; with a user SASL_SSL, else PLAINTEXT",
    "sasl_mechanism": "PLAIN (the default), SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM",
    "oauth_endpoint": "OAUTHBEARER: URL that gives tokens for client credentials; user and password are the client's id and secret",
    "oauth_scope": "OAUTHBEARER: the scope that is asked for",
    "region": "AWS_MSK_IAM: the brokers' region; there is no user, whoever runs us signs",
    "cafile": "PEM file with the authority that signed the brokers' certificates",
    "certfile": "PEM file with our certificate, where brokers ask for one",
    "keyfile": "PEM file with its key",
    "session_timeout_ms": "a member of a group that is silent for so long is replaced",
    "deadline_ms": "how long a call may take before it is Unavailable",
}


class Settings(Struct, frozen=True):
    """What a `kafka://` URL says. `security` is in kafka-python's words."""

    servers: tuple[str, ...]
    security: dict[str, Any]
    session_timeout_ms: int = 10_000
    deadline_s: float = 15.0

    @property
    def name(self) -> str:
        """The brokers, for messages; never a secret."""
        return ",".join(self.servers)


def parse(url: str) -> Settings:
    """The settings of a URL; raises `Misconfigured`."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme != "kafka":
        raise Misconfigured(f"{scheme!r} is not a Kafka URL: write kafka://host:port")
    address, _, query = rest.partition("?")
    login, _, hosts = address.rstrip("/").rpartition("@")
    options = _options(query)
    servers = tuple(_server(host) for host in hosts.split(","))
    return Settings(
        servers=servers,
        security=_security(login, options, servers),
        session_timeout_ms=_number(options, "session_timeout_ms", 10_000),
        deadline_s=_number(options, "deadline_ms", 15_000) / 1000,
    )


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in OPTIONS:
            raise Misconfigured(f"the Kafka URL has an unknown option {name!r}: known are {', '.join(OPTIONS)}")
    return options


def _server(host: str) -> str:
    name, separator, port = host.rpartition(":")
    if not separator or not name or not port.isdigit() or not 0 < int(port) < 65536:
        raise Misconfigured(f"the Kafka URL names {host!r} as a broker: write host:port, several with commas")
    return host


def _number(options: dict[str, str], name: str, default: int) -> int:
    text = options.get(name, str(default))
    if not text.isdigit() or int(text) == 0:
        raise Misconfigured(f"the Kafka URL's option {name} is {text!r}: write milliseconds, at least 1")
    return int(text)


def _security(login: str, options: dict[str, str], servers: tuple[str, ...]) -> dict[str, Any]:
    user, separator, password = login.partition(":")
    username = unquote(user) if login else os.environ.get("TRIMARAN_KAFKA_USERNAME", "")
    secret = unquote(password) if separator else os.environ.get("TRIMARAN_KAFKA_PASSWORD", "")
    protocol = _choice(options, "security_protocol", PROTOCOLS, "SASL_SSL" if login or "sasl_mechanism" in options else "PLAINTEXT")
    security: dict[str, Any] = {"security_protocol": protocol}
    for option, setting in (("cafile", "ssl_cafile"), ("certfile", "ssl_certfile"), ("keyfile", "ssl_keyfile")):
        if option in options:
            security[setting] = _file(option, options[option])
    if not protocol.startswith("SASL"):
        if login:
            raise Misconfigured(f"the Kafka URL has a user, but {protocol} sends none: use security_protocol=SASL_SSL")
        return security
    mechanism = _choice(options, "sasl_mechanism", MECHANISMS, "PLAIN")
    _refuse_strays(mechanism, options)
    if mechanism == "AWS_MSK_IAM":
        if login or protocol != "SASL_SSL":
            raise Misconfigured(
                "AWS_MSK_IAM signs with the identity that we run under: no user in the Kafka URL, security_protocol=SASL_SSL"
            )
        prepare(options.get("region", ""), servers)
        return security | {"sasl_mechanism": mechanism}
    if not username or not secret:
        raise Misconfigured(f"{protocol} needs a user and a password: kafka://user:password@… or TRIMARAN_KAFKA_USERNAME and _PASSWORD")
    if mechanism == "OAUTHBEARER":
        if not options.get("oauth_endpoint"):
            raise Misconfigured("OAUTHBEARER fetches tokens: add oauth_endpoint=https://… to the Kafka URL")
        tokens = ClientCredentials(options["oauth_endpoint"], username, secret, options.get("oauth_scope", ""), security.get("ssl_cafile"))
        return security | {"sasl_mechanism": mechanism, "sasl_oauth_token_provider": tokens}
    return security | {"sasl_mechanism": mechanism, "sasl_plain_username": username, "sasl_plain_password": secret}


def _refuse_strays(mechanism: str, options: dict[str, str]) -> None:
    """An option of another mechanism is a misunderstanding."""
    for option, owner in (("oauth_endpoint", "OAUTHBEARER"), ("oauth_scope", "OAUTHBEARER"), ("region", "AWS_MSK_IAM")):
        if option in options and mechanism != owner:
            raise Misconfigured(f"the Kafka URL's option {option} belongs to sasl_mechanism={owner}, this is {mechanism}")


def _choice(options: dict[str, str], name: str, known: tuple[str, ...], default: str) -> str:
    value = options.get(name, default)
    if value not in known:
        raise Misconfigured(f"the Kafka URL's option {name} is {value!r}: it is {', '.join(known)}")
    return value


def _file(option: str, path: str) -> str:
    if not os.path.isfile(path):
        raise Misconfigured(f"the Kafka URL's option {option} names {path!r}, which is no file")
    return path
