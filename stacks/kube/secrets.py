"""What the secrets of the bus hold: for each role its whole URL, and the files that the URL names."""

from stacks.config import Bus
from stacks.kube.authentication import FILE_KEYS, scaler_secret
from stacks.kube.pods import BUS_FILES

OPTIONS = {"ca": "cafile", "cert": "certfile", "key": "keyfile"}


def bus_files(bus: Bus) -> dict[str, str]:
    """Texts by the file's name; only what is given."""
    return {FILE_KEYS[name]: text for name, text in _given(bus).items()}


def bus_secret(bus: Bus, role: str) -> dict[str, str]:
    """The URL with the role's login; user and password apart, for KEDA, which takes no URL."""
    login = bus.login(role)
    files = {OPTIONS[name]: f"{BUS_FILES}/{FILE_KEYS[name]}" for name in _given(bus)}
    if login is None or not login.password:  # a certificate, or an identity of the cloud, or nothing
        return {"url": bus.brokers.url(files=files)}
    more = scaler_secret(bus) if role == "scaler" else {}
    return {"url": bus.brokers.url(login.user, login.password, files), "username": login.user, "password": login.password} | more


def _given(bus: Bus) -> dict[str, str]:
    return {name: text for name, text in (("ca", bus.files.ca), ("cert", bus.files.cert), ("key", bus.files.key)) if text}
