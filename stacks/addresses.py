"""URLs of stores and buses, taken apart and put together again: a login goes in percent-encoded, a password comes out nowhere.

postgresql://user@host:5432/database?sslmode=require          the password is a secret of its own
kafka://host:9093[,host:9093 …][?option=value&…]               logins are secrets of their own, one for each role
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode

from stacks.errors import Refused

PORTS = {"postgresql": 5432, "postgres": 5432}
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM")
EVENT_HUBS = ".servicebus.windows.net"
OPTIONS = ("security_protocol", "sasl_mechanism", "region", "oauth_endpoint", "oauth_scope", "session_timeout_ms", "deadline_ms")
OURS = {"cafile": "Ca", "certfile": "Cert", "keyfile": "Key"}  # files that the stack mounts, so it says where


@dataclass(frozen=True)
class Server:
    """A host and its port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Database:
    """A PostgreSQL URL without its password."""

    scheme: str
    user: str
    servers: tuple[Server, ...]
    rest: str  # from the slash on: the database and its options

    def url(self, password: str) -> str:
        """The whole URL; a secret when the password is one."""
        login = quote(self.user, safe="") + (f":{quote(password, safe='')}" if password else "")
        return f"{self.scheme}://{login}@{','.join(map(str, self.servers))}{self.rest}"


@dataclass(frozen=True)
class Brokers:
    """A Kafka URL without a login."""

    servers: tuple[Server, ...]
    options: dict[str, str]

    @property
    def event_hubs(self) -> bool:
        """Whether these are Event Hubs, by the host's name."""
        return all(server.host.endswith(EVENT_HUBS) for server in self.servers)

    @property
    def mechanism(self) -> str:
        """How a client logs in; "" when it does not."""
        return self.options.get("sasl_mechanism", "PLAIN") if self.protocol.startswith("SASL") else ""

    @property
    def protocol(self) -> str:
        """The security protocol that the options say or mean."""
        said = "SASL_SSL" if self.event_hubs or "sasl_mechanism" in self.options else "PLAINTEXT"
        return self.options.get("security_protocol", said)

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return self.protocol.endswith("SSL")

    @property
    def bootstrap(self) -> str:
        """host:port with commas between, as clients and KEDA take it."""
        return ",".join(map(str, self.servers))

    def url(self, user: str = "", password: str = "", files: dict[str, str] | None = None) -> str:
        """The whole URL of one login, with the files that are mounted in the pod."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        protocol = {"security_protocol": self.protocol} if self.protocol != "PLAINTEXT" else {}
        mechanism = {"sasl_mechanism": self.mechanism} if self.mechanism else {}
        query = urlencode(self.options | protocol | mechanism | (files or {}), safe="/:", quote_via=quote)
        return f"kafka://{login}{self.bootstrap}" + (f"?{query}" if query else "")


def database(url: str, field: str) -> Database:
    """Take a PostgreSQL URL apart. Raises `Refused`: another scheme, no user, or a password in it."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in PORTS:
        raise Refused(f"{field}: {_shown(url)!r} is no PostgreSQL URL: write postgresql://user@host:5432/database")
    address, slash, path = rest.partition("/")
    if "?" in address:
        raise Refused(f"{field}: {_shown(url)!r} names no database: write postgresql://user@host:5432/database")
    login, at, hosts = address.rpartition("@")
    user, colon, _ = login.partition(":")
    if colon or "password=" in path.partition("?")[2]:
        raise Refused(f"{field}: the URL has a password in plain text: take it out, and pulumi config set --secret {field}Password")
    if not at or not user:
        raise Refused(f"{field}: {_shown(url)!r} names no user: write postgresql://user@host:5432/database")
    return Database(scheme, unquote(user), _servers(hosts, field, PORTS[scheme]), slash + path)


def brokers(url: str, field: str = "trimaran:bus") -> Brokers:
    """Take a Kafka URL apart. Raises `Refused`: another scheme, a login in it, no port, an option that cannot be."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme != "kafka":
        raise Refused(f"{field}: {_shown(url)!r} is no Kafka URL: write kafka://host:9092")
    address, _, query = rest.partition("?")
    if "@" in address:
        raise Refused(
            f"{field}: the URL has a login in plain text: take it out, and pulumi config set --secret --path {field}Logins.all.password"
        )
    options = _options(query, field)
    found = Brokers(_servers(address.rstrip("/"), field, None), options)
    for option, value, known in (
        ("security_protocol", found.protocol, PROTOCOLS),
        ("sasl_mechanism", found.mechanism or "PLAIN", MECHANISMS),
    ):
        if value not in known:
            raise Refused(f"{field}: {option} is {value!r}: it is {', '.join(known)}")
    return found


def _options(query: str, field: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name in OURS:
            raise Refused(f"{field}: {name} is where the stack mounts it: give the file's text as {field}{OURS[name]}")
        if name not in OPTIONS:
            raise Refused(f"{field}: {name!r} is no option of a Kafka URL: known are {', '.join(OPTIONS)}")
    return options


def _servers(text: str, field: str, default: int | None) -> tuple[Server, ...]:
    return tuple(_server(each, field, default) for each in text.split(","))


def _server(text: str, field: str, default: int | None) -> Server:
    host, colon, port = text.rpartition(":")
    if not colon and default:
        host, port = text, str(default)
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise Refused(f"{field}: {text!r} is no host with a port: write host:{default or 9092}")
    return Server(host, int(port))


def _shown(url: str) -> str:
    """Without options and password, whatever else is wrong with it: an error is read by many."""
    head, at, tail = url.partition("?")[0].rpartition("@")
    scheme, separator, login = head.rpartition("://")
    return f"{scheme}{separator}{login.partition(':')[0]}{at}{tail}"
