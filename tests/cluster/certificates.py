"""One certificate authority for a cluster of a test, and what it signs: servers, and clients who are who their subject says.

Kubernetes reads a client's user name from the common name and its groups from the organisations. Keys are elliptic
(P-256), made in milliseconds; everything is valid for a day and lies in one private folder.
"""

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority of its own with its files in `folder`: `ca.crt`, and `NAME.crt` with `NAME.key` for each it issued."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        made = self._unsigned(self._name, self._key.public_key())
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).add_extension(usage, critical=True)
        self.certificate = folder / "ca.crt"
        self.certificate.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, common_name: str, *, groups: Sequence[str] = (), hosts: Sequence[str] = ()) -> tuple[Path, Path]:
        """Certificate and key, for use as server (of `hosts`: names or addresses) and as client (user `common_name` in `groups`)."""
        key = ec.generate_private_key(ec.SECP256R1())
        words = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*words, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        made = self._unsigned(subject, key.public_key())
        made = made.add_extension(x509.SubjectAlternativeName([_general(host) for host in (*hosts, name)]), critical=False)
        uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        signed = made.add_extension(uses, critical=False).sign(self._key, hashes.SHA256())
        certificate = self._folder / f"{name}.crt"
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return certificate, write_key(key, self._folder / f"{name}.key")

    def _unsigned(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now, ours = datetime.datetime.now(datetime.UTC), self._key.public_key()
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - DAY / 24).not_valid_after(now + DAY)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)


def key_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """A public and a private key without certificate, as service accounts' tokens are signed with."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = folder / f"{name}.pub"
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, kind))
    return public, write_key(key, folder / f"{name}.key")


def write_key(key: ec.EllipticCurvePrivateKey, path: Path) -> Path:
    """The private key in a file that only its owner reads."""
    plain = serialization.NoEncryption()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return path


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
