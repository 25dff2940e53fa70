"""Strict mocks: a Pulumi program is run as an update and as a preview in which nothing is known, and everything wrong with it is said.

Pulumi's own mocks check nothing: unknown keys, wrong types, two resources of one URN and a dangling name all pass. Here they do not.
What is caught, each kind by a test of its own in test_harness.py: inputs that the SDK does not know, lacks or types otherwise; objects
that Kubernetes or KEDA would refuse; names of things that are not there, and names without a dependency; duplicates; the default
provider; deprecated calls; functions of providers, which no preview may depend on; secrets in plain values; outputs made into text;
a program that fails, or makes other resources, when outputs are unknown.
"""

import base64
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import kubernetes_validate

from stacks.recording import Program, Recording, Registered
from tests.stacks import crossing, spec
from tests.stacks.gatewayapi import check as gateway_api
from tests.stacks.keda import check as keda
from tests.stacks.objects import Objects

KUBERNETES = "1.36"
DEFINED = (*keda.KINDS, *gateway_api.KINDS)  # by CustomResourceDefinitions
kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)  # it reads 2 MB anew for each object
PROVIDER = "pulumi:providers:"
OUTPUT_AS_TEXT = ("Output[T]", "<pulumi.output.Output")


@dataclass(frozen=True)
class Examined:
    """Both runs of a program, and what is wrong with it: nothing, for a program that may go up."""

    update: Recording
    preview: Recording
    problems: list[str]

    @property
    def objects(self) -> Objects:
        """The Kubernetes objects of the update."""
        return Objects(self.update.resources)


def examine(
    program: Program,
    config: Mapping[str, str] | None = None,
    secrets: Collection[str] = (),
    *,
    stack: str = "k8s",
    external: Collection[str] = (),
    values: Collection[str] = (),
    previews: bool = True,
) -> Examined:
    """Run the program twice, or as an update alone where it differs in values only from one that was previewed.

    `external` are objects that others make ("Secret/shop-tls"), `values` texts that must stay secret.
    """
    runs = [Recording(stack, config, secrets, preview=preview) for preview in (False, True)]
    ran = runs if previews else runs[:1]
    found = [told for run in ran for told in _failures(run, program)]
    update, preview = runs
    shapes = [told for run in ran for each in run.resources for told in inputs(each)]
    found += shapes or judged(update, external)
    found += told_apart(update, preview) if previews else []
    found += leaks(update, {*values, *_secret_texts(config, secrets)})
    return Examined(update, preview, list(dict.fromkeys(found)))


def judged(update: Recording, external: Collection[str]) -> list[str]:
    """What is wrong with resources whose inputs have the right shape."""
    return [
        *refused(Objects(update.resources)),
        *crossing.dangling(update.resources, external),
        *twice(update.resources),
        *(
            f"{each.type} {each.name}: no provider of its own, so it would go wherever this machine's kubeconfig points"
            for each in update.resources
            if each.custom and not each.provider and not each.type.startswith(PROVIDER)
        ),
        *(f"deprecated or warned about: {told}" for told in update.warnings),
        *(f"calls {told}, and nothing here can answer for the provider" for told in update.calls),
    ]


def _failures(run: Recording, program: Program) -> Iterator[str]:
    try:
        run.run(program)
    except Exception as error:  # noqa: BLE001  whatever it is, it is what is wrong
        yield f"as {'a preview' if run.preview else 'an update'} the program raises {type(error).__name__}: {error}"


def inputs(each: Registered) -> list[str]:
    """What the resource's own argument type says about its inputs."""
    if not each.custom or "read" in each.options:
        return []
    found = spec.problems(each.type, each.inputs)
    if found is None:
        return [] if each.inputs.get("kind") in DEFINED else [f"{each.type} {each.name}: no SDK and no schema here knows this type"]
    return [f"{each.type} {each.name}: {told}" for told in found]


def refused(objects: Objects) -> list[str]:
    """What Kubernetes' own schema, KEDA's or the Gateway API's would refuse."""
    found = [*keda.problems(objects), *gateway_api.problems(objects)]
    for each in objects.all:
        if each.kind in DEFINED:
            continue
        try:
            kubernetes_validate.validate(each.body, KUBERNETES, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{each}: {'.'.join(map(str, error.path))}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            found.append(f"{each}: {error.message}")
    return found


def twice(resources: Collection[Registered]) -> list[str]:
    """Two resources of one URN, two objects of one name."""
    urns = Counter(each.urn for each in resources)
    names = Counter((str(each), each.namespace) for each in Objects(resources).all)
    return [
        *(f"{urn}: registered {count} times" for urn, count in urns.items() if count > 1),
        *(
            f"{name}: {count} objects of this name in {namespace or 'the cluster'}"
            for (name, namespace), count in names.items()
            if count > 1
        ),
    ]


def told_apart(update: Recording, preview: Recording) -> list[str]:
    """Resources that only one of both runs makes: made inside `apply`, or where a value is looked at."""
    made, shown = {each.urn for each in update.resources}, {each.urn for each in preview.resources}
    return [
        *(f"{urn}: an update makes it, and no preview shows it" for urn in sorted(made - shown)),
        *(f"{urn}: a preview shows it, and no update makes it" for urn in sorted(shown - made)),
    ]


def _secret_texts(config: Mapping[str, str] | None, secrets: Collection[str]) -> set[str]:
    return {(config or {})[key] for key in secrets if len((config or {}).get(key, "")) > 3}


def leaks(recording: Recording, values: Collection[str]) -> Iterator[str]:
    """Texts that are secrets in the configuration and stand in the clear in a resource or an output; outputs turned into text."""
    places = [(f"{each.type} {each.name}", each.inputs) for each in recording.resources]
    for place, value in (*places, ("stack", recording.outputs)):
        for path, text in texts(value):
            if any(secret in shown for secret in values for shown in (text, _decoded(text))):
                yield f"{place}: {path} has a secret in the clear"
            if any(mark in text for mark in OUTPUT_AS_TEXT):
                yield f"{place}: {path} is an output turned into text: use Output.concat, Output.format or apply"


def _decoded(text: str) -> str:
    """What stands in base64, as in the data of a Secret."""
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except ValueError:
        return ""


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a value, keys too, with its path."""
    match value:
        case dict():
            for key, each in value.items():
                yield path, key
                yield from texts(each, f"{path}.{key}".lstrip("."))
        case list():
            for number, each in enumerate(value):
                yield from texts(each, f"{path}[{number}]")
        case str():
            yield path, value
        case _:
            pass
