"""How KEDA logs in to the bus and to the read database: a TriggerAuthentication for each way that a bus knows.

way                    kafka trigger says                              the secret gives
none                   —                                               —
TLS                    tls: enable                                     ca; with mTLS cert and key
PLAIN, SCRAM           sasl: plaintext, scram_sha256, scram_sha512     username, password
Event Hubs             sasl: plaintext, tls: enable                    $ConnectionString, the connection string
OAUTHBEARER            sasl: oauthbearer, saslTokenProvider: bearer    client's id and secret, the token's endpoint, scopes
MSK with IAM           sasl: oauthbearer, saslTokenProvider: aws_msk_iam, awsRegion, tls: enable     nothing: KEDA takes on a role
"""

from collections.abc import Mapping

from stacks.cloud import FromSecret
from stacks.config import Bus
from stacks.kube.names import Manifest, Place
from stacks.kube.scaling import BUS_AUTHENTICATION, ROWS_AUTHENTICATION

SASL = {"PLAIN": "plaintext", "SCRAM-SHA-256": "scram_sha256", "SCRAM-SHA-512": "scram_sha512", "OAUTHBEARER": "oauthbearer"}
FILE_KEYS = {"ca": "ca.crt", "cert": "tls.crt", "key": "tls.key"}


def kafka(bus: Bus) -> dict[str, str]:
    """What a kafka trigger says of the brokers; nothing of it is a secret."""
    said = {"bootstrapServers": bus.brokers.bootstrap, "tls": "enable" if bus.brokers.encrypted else "disable"}
    mechanism = bus.brokers.mechanism
    if mechanism == "AWS_MSK_IAM":
        return said | {"sasl": "oauthbearer", "saslTokenProvider": "aws_msk_iam", "awsRegion": bus.brokers.options["region"]}
    if mechanism == "OAUTHBEARER":
        said |= {"saslTokenProvider": "bearer"}
    return said | {"sasl": SASL[mechanism] if mechanism else "none"}


def scaler_secret(bus: Bus) -> dict[str, str]:
    """What the secret of KEDA's login has beside user and password, because a trigger may not say it."""
    if bus.brokers.mechanism != "OAUTHBEARER":
        return {}
    scope = bus.brokers.options.get("oauth_scope", "")
    return {"oauthTokenEndpointUri": bus.brokers.options["oauth_endpoint"]} | ({"scopes": scope} if scope else {})


def bus_authentication(place: Place, labels: Mapping[str, str], bus: Bus, login: FromSecret, files: FromSecret | None) -> Manifest:
    """From the secrets of a login (username, password …) and of files (ca.crt, tls.crt, tls.key)."""
    targets = [_target(parameter, login.name, key) for parameter, key in _login(bus).items()]
    texts = {"ca": bus.files.ca, "cert": bus.files.cert, "key": bus.files.key}
    targets += [_target(parameter, files.name, FILE_KEYS[parameter]) for parameter, text in texts.items() if text and files]
    return place.object(
        "TriggerAuthentication", BUS_AUTHENTICATION, labels, spec=_identity(bus) | ({"secretTargetRef": targets} if targets else {})
    )


def rows_authentication(place: Place, labels: Mapping[str, str], url: FromSecret) -> Manifest:
    """KEDA counts what is due with the URL of a login of the read database."""
    return place.object(
        "TriggerAuthentication", ROWS_AUTHENTICATION, labels, spec={"secretTargetRef": [_target("connection", url.name, url.key)]}
    )


def _login(bus: Bus) -> dict[str, str]:
    """Parameter by key of the secret."""
    login = bus.login("scaler")
    if login is None or not login.password:
        return {}
    return {"username": "username", "password": "password"} | {key: key for key in scaler_secret(bus)}


def _identity(bus: Bus) -> Manifest:
    if bus.brokers.mechanism != "AWS_MSK_IAM":
        return {"podIdentity": {"provider": "none"}}
    return {"podIdentity": {"provider": "aws"} | ({"roleArn": bus.role} if bus.role else {})}


def _target(parameter: str, name: str, key: str) -> Manifest:
    return {"parameter": parameter, "name": name, "key": key}
