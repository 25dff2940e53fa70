"""Who a test's broker knows and what it lets them do: users with passwords of their own, and nothing for whom nothing was granted.

One listener speaks SASL_SSL with a self-signed certificate for 127.0.0.1; PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER
(unsecured tokens, `{"alg":"none"}`: the principal is their `sub`) name the same users. Rights are access control lists, denied by default; whoever comes by the
plain listener, and the users in `SUPER`, may do everything.
"""

import subprocess
from pathlib import Path

USER, PASSWORD = "app", "a secret/with:signs@"
PASSWORDS = {USER: PASSWORD, "stranger": "stranger"} | {
    name: f"{name}'s own/secret:{number}@" for number, name in enumerate(("admin", "relay", "projector", "gateway", "scaler"))
}
SUPER = ("ANONYMOUS", USER, "admin")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
SECURITY = "org.apache.kafka.common.security"
STORE_PASSWORD = "trimaran"


def certify(store: Path, certificate: Path) -> None:
    """Make a key with a self-signed certificate for 127.0.0.1 and localhost in `store`, and write the certificate as PEM."""
    words = ["keytool", "-genkeypair", "-alias", "broker", "-keyalg", "RSA", "-dname", "CN=localhost", "-validity", "30"]
    words += ["-ext", "SAN=ip:127.0.0.1,dns:localhost", "-storetype", "PKCS12", "-keystore", str(store), "-storepass", STORE_PASSWORD]
    subprocess.run(words, check=True, capture_output=True)
    words = ["keytool", "-exportcert", "-rfc", "-alias", "broker", "-keystore", str(store), "-storepass", STORE_PASSWORD]
    certificate.write_bytes(subprocess.run(words, check=True, capture_output=True).stdout)


def settings(store: Path) -> dict[str, str]:
    """The broker's settings for its listener SASL_SSL and its authorizer."""
    listener, users = "listener.name.sasl_ssl", " ".join(f'user_{name}="{password}"' for name, password in PASSWORDS.items())
    scram = f"{SECURITY}.scram.ScramLoginModule required;"
    unsecured = f'{SECURITY}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
    validator = f"{SECURITY}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
    return {
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        f"{listener}.plain.sasl.jaas.config": f"{SECURITY}.plain.PlainLoginModule required {users};",
        f"{listener}.scram-sha-256.sasl.jaas.config": scram,
        f"{listener}.scram-sha-512.sasl.jaas.config": scram,
        f"{listener}.oauthbearer.sasl.jaas.config": unsecured,
        f"{listener}.oauthbearer.sasl.server.callback.handler.class": validator,
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": str(store),
        "ssl.keystore.password": STORE_PASSWORD,
        "ssl.key.password": STORE_PASSWORD,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": ";".join(f"User:{name}" for name in SUPER),
    }


def scram_words() -> list[str]:
    """What the formatting of a broker's storage is told, so that SCRAM knows the users from the start."""
    kinds = [kind for kind in MECHANISMS if kind.startswith("SCRAM")]
    told = [f'{kind}=[name="{name}",password="{password}"]' for name, password in PASSWORDS.items() for kind in kinds]
    return [word for each in told for word in ("--add-scram", each)]
