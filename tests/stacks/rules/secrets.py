"""Where secrets may stand: in Secrets, from which a pod takes those of its own role."""

import re
from collections.abc import Iterator
from typing import Any

from stacks.recording import SECRET
from tests.stacks.objects import Objects, references

LOGIN = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
SECRET_NAMES = re.compile(r"PASSWORD|TOKEN|SECRET|CREDENTIAL|PRIVATE_KEY")
SECRET_URLS = ("TRIMARAN_EVENTS", "TRIMARAN_ROWS", "TRIMARAN_BUS")
ADMIN = "admin"


def secrets_stand_in_secrets(objects: Objects) -> Iterator[str]:
    """No environment value, argument, annotation, label or plain object holds a secret: whoever may read pods would read it."""
    for each in objects.all:
        if each.kind == "Secret":
            continue
        for path, text in _texts(each.body):
            if text == SECRET or LOGIN.search(text):
                yield f"{each}: {path} holds a secret"
    for each in objects.workloads():
        for name, entry in each.env.items():
            if "value" in entry and (name in SECRET_URLS or SECRET_NAMES.search(name)):
                yield f"{each}: {name} is a value, not a reference to a Secret"


def a_role_reads_its_own_login(objects: Objects) -> Iterator[str]:
    """A role takes its own login to the bus; the administrator's is for Jobs, which end."""
    for reference in references(objects):
        role = reference.name.removeprefix("bus-")
        if reference.kind != "Secret" or not reference.name.startswith("bus-") or role == "files":
            continue
        component = reference.by.labels.get("app.kubernetes.io/component")
        allowed = {ADMIN} if reference.by.kind == "Job" else {"scaler"} if reference.by.kind == "TriggerAuthentication" else {component}
        if role not in allowed:
            yield f"{reference}: that login is not its own"


def secrets_are_kept(objects: Objects) -> Iterator[str]:
    """Every value of a Secret is one for Pulumi, too: else it would stand in the state."""
    for each in objects.of("Secret"):
        for field in ("data", "stringData"):
            for key, value in (each.body.get(field) or {}).items():
                if value != SECRET:
                    yield f"{each}: {field}.{key} is in the clear for Pulumi"


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for key, each in value.items():
                yield from _texts(each, f"{path}.{key}".lstrip("."))
        case list():
            for number, each in enumerate(value):
                yield from _texts(each, f"{path}[{number}]")
        case str():
            yield path, value
        case _:
            pass


RULES = (secrets_stand_in_secrets, a_role_reads_its_own_login, secrets_are_kept)
