"""URLs come apart and go together again: whatever characters a login has, the hosts read what was meant, and no plain URL carries it."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given as each
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from providers.kafka.settings import parse
from stacks.addresses import Brokers, brokers, database
from stacks.errors import Refused

LOGINS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)


@each(LOGINS, LOGINS)
def test_postgresql_reads_the_user_and_password_that_were_meant(user: str, password: str) -> None:
    url = database("postgresql://name@events.example:6543/shop?sslmode=require", "trimaran:events")
    read = conninfo_to_dict(type(url)(url.scheme, user, url.servers, url.rest).url(password))
    assert read == {"user": user, "password": password, "host": "events.example", "port": "6543", "dbname": "shop", "sslmode": "require"}


@each(LOGINS, LOGINS, st.sampled_from(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]))
def test_the_bus_reads_the_user_and_password_that_were_meant(user: str, password: str, mechanism: str) -> None:
    read = parse(brokers(f"kafka://a.example:9093,b.example:9094?sasl_mechanism={mechanism}").url(user, password))
    assert read.servers == ("a.example:9093", "b.example:9094")
    assert read.security["security_protocol"] == "SASL_SSL"
    assert read.security["sasl_mechanism"] == mechanism
    assert read.security["sasl_plain_username"] == user
    assert read.security["sasl_plain_password"] == password


def test_a_bus_without_security_stays_without_it() -> None:
    assert brokers("kafka://a.example:9092").url() == "kafka://a.example:9092"
    assert parse("kafka://a.example:9092").security == {"security_protocol": "PLAINTEXT"}


def test_options_and_files_go_on_to_the_hosts() -> None:
    url = brokers("kafka://a.example:9093?security_protocol=SSL&deadline_ms=20000").url(files={"cafile": "/etc/trimaran/bus/ca.crt"})
    assert parse_qs(urlsplit(url).query) == {
        "security_protocol": ["SSL"],
        "deadline_ms": ["20000"],
        "cafile": ["/etc/trimaran/bus/ca.crt"],
    }


def test_event_hubs_are_known_by_their_name_and_log_in_over_tls() -> None:
    hubs = brokers("kafka://space.servicebus.windows.net:9093")
    assert (hubs.event_hubs, hubs.protocol, hubs.mechanism, hubs.encrypted) == (True, "SASL_SSL", "PLAIN", True)
    read = parse(hubs.url("$ConnectionString", "Endpoint=sb://space.servicebus.windows.net/;SharedAccessKeyName=x;SharedAccessKey=a+b/c="))
    assert read.security["sasl_plain_username"] == "$ConnectionString"
    assert read.security["sasl_plain_password"].endswith("SharedAccessKey=a+b/c=")


@pytest.mark.parametrize(
    ("url", "protocol", "mechanism", "encrypted"),
    [
        ("kafka://h:1", "PLAINTEXT", "", False),
        ("kafka://h:1?security_protocol=SSL", "SSL", "", True),
        ("kafka://h:1?security_protocol=SASL_PLAINTEXT", "SASL_PLAINTEXT", "PLAIN", False),
        ("kafka://h:1?sasl_mechanism=SCRAM-SHA-512", "SASL_SSL", "SCRAM-SHA-512", True),
        ("kafka://h:1?sasl_mechanism=AWS_MSK_IAM&region=eu-central-1", "SASL_SSL", "AWS_MSK_IAM", True),
    ],
)
def test_what_is_not_said_follows_from_what_is(url: str, protocol: str, mechanism: str, encrypted: bool) -> None:
    found = brokers(url)
    assert (found.protocol, found.mechanism, found.encrypted) == (protocol, mechanism, encrypted)


def test_a_database_without_port_has_postgresqls() -> None:
    assert [server.port for server in database("postgres://u@h/d", "trimaran:events").servers] == [5432]
    assert [str(server) for server in database("postgresql://u@a:1,b:2/d", "trimaran:events").servers] == ["a:1", "b:2"]


@each(LOGINS, LOGINS)
def test_a_login_in_a_plain_url_is_refused_and_not_repeated(user: str, password: str) -> None:
    url = Brokers(brokers("kafka://h:1").servers, {}).url(user, f"topsecret{password}")
    with pytest.raises(Refused) as refused:
        brokers(url)
    assert "topsecret" not in str(refused.value)
