"""`trimaran graph`: what `pulumi up` would ask for, without an engine, a cluster or a passphrase: the recorded graph of a stack.

Settings are those of Pulumi.yaml and Pulumi.<stack>.yaml in the working directory, or above it; a secret stands for itself as "[secret]",
and one that is not in the file yet is said and shown as if it were.
"""

import json
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cli.output import as_json, remark, say
from runtime.errors import Misconfigured

if TYPE_CHECKING:
    from stacks.recording import Recording, Registered

SHOWN = re.compile(r"^[\w.-]+$")  # a stack's name, as Pulumi has it
WIDTH = 100
PLACEHOLDER = "[secret]"
MISSING = re.compile(r"trimaran:(eventsPassword|rowsPassword|scalerPassword|busLogins)")  # secrets that a graph can do without


def graph(stack: str, *, json: bool) -> None:
    """Print the graph of a stack, as JSON or as a tree for people. Raises `Misconfigured`."""
    found = record(stack)
    if json:
        as_json(found.data())
        return
    for line in lines(found):
        say(line)


def record(stack: str) -> "Recording":
    """The stack's graph. `Misconfigured` names what its settings lack, or why the program refuses them."""
    root = project()
    config, secrets = settings(root, stack)
    try:
        from pulumi import RunError

        from stacks.recording import Recording
    except ModuleNotFoundError as error:
        raise Misconfigured(f"{error.name} is not installed: run `uv sync --group stacks`") from None
    for _ in range(4):  # each time one secret more is stood in for
        recording = Recording(stack, config, secrets, project="trimaran")
        try:
            return recording.run(lambda: runpy.run_path(str(root / "__main__.py")))
        except RunError as error:
            lacking = MISSING.search(str(error))
            if lacking is None or lacking[0] in config:
                raise Misconfigured(f"stack {stack}: {error}") from None
            remark(f"note: {lacking[0]} is not set, and shown as if it were: pulumi config set --secret {lacking[0]} …")
            config[lacking[0]] = _logins(config) if lacking[1] == "busLogins" else PLACEHOLDER
            secrets.append(lacking[0])
    raise AssertionError("each round stands in for one of three secrets")


def _logins(config: dict[str, str]) -> str:
    """A login for each role of the bus; Event Hubs has one user's name for all."""
    from stacks.config import BUS_ROLES

    shared = ".servicebus.windows.net" in config.get("trimaran:bus", "")
    return json.dumps(
        {role: {"user": "$ConnectionString" if shared else f"trimaran-{role}", "password": PLACEHOLDER} for role in BUS_ROLES}
    )


def project() -> Path:
    """The folder of Pulumi.yaml: the working directory, one above it, or this repository's."""
    for folder in (here := Path.cwd(), *here.parents, Path(__file__).parents[1]):
        if (folder / "Pulumi.yaml").is_file():
            sys.path[:0] = [] if str(folder) in sys.path else [str(folder)]
            return folder
    raise Misconfigured(f"there is no Pulumi.yaml in {here} or above it: go to the repository")


def settings(root: Path, stack: str) -> tuple[dict[str, str], list[str]]:
    """Settings as texts by whole key, and which are secret. `Misconfigured` for a stack that is not there, or a value that is missing."""
    if not SHOWN.match(stack):
        raise Misconfigured(f"{stack!r} is no name of a stack: letters, digits, - _ and .")
    file = root / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        known = sorted(each.name.removeprefix("Pulumi.").removesuffix(".yaml") for each in root.glob("Pulumi.*.yaml"))
        raise Misconfigured(f"there is no stack {stack!r}: no {file.name} in {root}; there is {', '.join(known) or 'none'}")
    name, declared = _project(root / "Pulumi.yaml")
    given = _whole_keys(_read(file).get("config") or {}, name)
    config: dict[str, str] = {}
    secrets = [key for key, value in given.items() if _secret(value) or (declared.get(key) or {}).get("secret")]
    for key, about in declared.items():
        value = given.get(key, about.get("value", about.get("default")))
        if value is None:
            raise Misconfigured(f"stack {stack}: {key} is not set and has no default: pulumi config set {key} … --stack {stack}")
        config[key] = _text(value)
    return config | {key: _text(value) for key, value in given.items()}, secrets


def _project(file: Path) -> tuple[str, dict[str, dict[str, Any]]]:
    """The project's name and what it declares; a bare value is a default."""
    told = _read(file)
    name = str(told.get("name", ""))
    declared = _whole_keys(told.get("config") or {}, name)
    return name, {
        key: each if isinstance(each, dict) and {"type", "default", "value"} & each.keys() else {"value": each}
        for key, each in declared.items()
    }


def _whole_keys(config: dict[str, Any], project: str) -> dict[str, Any]:
    return {key if ":" in key else f"{project}:{key}": value for key, value in config.items()}


def _read(file: Path) -> dict[str, Any]:
    try:
        told = msgspec.yaml.decode(file.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{file.name} cannot be read: {error}") from None
    if not isinstance(told, dict):
        raise Misconfigured(f"{file.name} is no object: it begins with config:")
    return told


def _secret(value: Any) -> bool:
    """Whether a value, or a part of it, is encrypted."""
    match value:
        case {"secure": str()} if len(value) == 1:
            return True
        case dict():
            return any(map(_secret, value.values()))
        case list():
            return any(map(_secret, value))
        case _:
            return False


def _text(value: Any) -> str:
    """As Pulumi hands it to a program: texts as they are, everything else as JSON."""
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _plain(value: Any) -> Any:
    match value:
        case {"secure": str()} if len(value) == 1:
            return PLACEHOLDER
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case _:
            return value


# --- for people


def lines(found: "Recording") -> Iterator[str]:
    """A tree by parent: what each resource is, the inputs that tell it apart, and whom it waits for."""
    names = {each.urn: f"{_kind(each)} {each.name}" for each in found.resources}
    yield f"{found.project} {found.stack}: {len([each for each in found.resources if each.custom])} resources"
    for each in found.resources:
        if not each.parent:
            yield from _branch(found.resources, each, names, "")
    for name, value in sorted(found.outputs.items()):
        yield f"→ {name}: {value}"


def _branch(resources: "list[Registered]", each: "Registered", names: dict[str, str], indent: str) -> Iterator[str]:
    marks = " (protected)" if each.protect else " (of others)" if "read" in each.options else ""
    yield f"{indent}{names[each.urn]}{marks}"
    inside = indent + "  "
    for line in _told(each):
        yield f"{inside}· {line}"[:WIDTH]
    waits = sorted({names.get(urn, urn) for urn in each.dependencies})
    if waits:
        yield from _wrapped(f"{inside}after ", waits)
    for child in (one for one in resources if one.parent == each.urn):
        yield from _branch(resources, child, names, inside)


def _wrapped(start: str, words: list[str]) -> Iterator[str]:
    line = start + words[0]
    for word in words[1:]:
        if len(line) + len(word) + 2 > WIDTH:
            yield f"{line},"
            line = " " * len(start) + word
        else:
            line += f", {word}"
    yield line


def _kind(each: "Registered") -> str:
    return each.type.rpartition(":")[2]


def _told(each: "Registered") -> Iterator[str]:
    """What a person looks for in an object."""
    spec = each.inputs.get("spec") or {}
    match each.inputs.get("kind"):
        case "Deployment" | "Job":
            (container, *_) = spec["template"]["spec"]["containers"]
            yield " ".join(container.get("command", []))
            yield from (_variable(entry) for entry in container.get("env", []))
        case "Secret":
            yield ", ".join(sorted({**each.inputs.get("data", {}), **each.inputs.get("stringData", {})}))
        case "ScaledObject":
            yield f"{spec.get('minReplicaCount', 0)} to {spec.get('maxReplicaCount', 100)} of {spec['scaleTargetRef']['name']}"
            for trigger in spec["triggers"]:
                yield f"{trigger['type']}: {', '.join(f'{key} {value}' for key, value in trigger['metadata'].items())}"
        case "TriggerAuthentication":
            yield ", ".join(f"{it['parameter']} of {it['name']}/{it['key']}" for it in spec.get("secretTargetRef", [])) or "nothing"
        case "Service":
            yield ", ".join(f"{port.get('name', '')} {port['port']}" for port in spec.get("ports", []))
        case _:
            return


def _variable(entry: dict[str, Any]) -> str:
    source = entry.get("valueFrom", {})
    if told := source.get("secretKeyRef"):
        return f"{entry['name']} from {told['name']}/{told['key']}"
    if told := source.get("fieldRef"):
        return f"{entry['name']} from {told['fieldPath']}"
    return f"{entry['name']}={entry.get('value', '')}"
