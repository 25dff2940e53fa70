"""KEDA's objects against KEDA's own schema, and each trigger's keys and values against what its scaler reads (reduce.py says the source)."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]

from stacks.recording import SECRET, UNKNOWN
from tests.stacks.objects import Object, Objects

HERE = Path(__file__).parent
AWS_KEYS = ("awsAccessKeyID", "awsSecretAccessKey", "awsSessionToken", "awsRoleArn")  # pkg/scalers/aws/aws_common.go
KINDS = ("ScaledObject", "TriggerAuthentication")


def problems(objects: Objects) -> list[str]:
    """Sentences: which object, where, what."""
    found = [f"{each}: {told}" for each in objects.of(*KINDS) for told in against_schema(each)]
    for each in objects.of("ScaledObject"):
        for number, trigger in enumerate(each.spec.get("triggers", [])):
            found += [f"{each}: triggers[{number}].{told}" for told in of_trigger(trigger, parameters(objects, trigger))]
    return found


def against_schema(each: Object, folder: Path = HERE) -> list[str]:
    """What the API server would refuse, by the schema of this kind in a folder."""
    validator = jsonschema.Draft202012Validator(_read(f"{each.kind}.json", folder))
    return [f"{error.json_path.removeprefix('$.')}: {error.message}" for error in validator.iter_errors(each.body)]


def parameters(objects: Objects, trigger: dict[str, Any]) -> set[str] | None:
    """Those that the trigger's TriggerAuthentication gives; None where it gives more than can be seen."""
    name = trigger.get("authenticationRef", {}).get("name", "")
    found = objects.find("TriggerAuthentication", name) if name else None
    if found is None:
        return set()
    if found.spec.keys() - {"secretTargetRef", "env", "podIdentity"}:
        return None
    return {str(each.get("parameter")) for field in ("secretTargetRef", "env") for each in found.spec.get(field, [])}


def of_trigger(trigger: dict[str, Any], authentication: set[str] | None) -> list[str]:
    """Unknown keys, keys that only a TriggerAuthentication may give, values that are none of those allowed, and required ones."""
    kind, metadata = str(trigger.get("type")), trigger.get("metadata", {})
    scalers: dict[str, list[dict[str, Any]]] = _read("scalers.json")
    if kind not in scalers:
        return [f"type: no scaler {kind!r}: {', '.join(scalers)}"]
    known = {each["name"]: each for each in scalers[kind]}
    found = [told for key, value in metadata.items() for told in _entry(kind, known, key, value)]
    signs = AWS_KEYS if metadata.get("saslTokenProvider") == "aws_msk_iam" else ()
    for parameter in authentication or ():
        if parameter not in signs and not known.get(parameter, {}).get("triggerAuthenticationVariableReadable"):
            found.append(f"authenticationRef: {kind} reads no parameter {parameter!r} from it")
    for name, told in known.items():
        given = name in metadata or f"{name}FromEnv" in metadata or authentication is None or name in authentication
        if not given and not told.get("optional") and "default" not in told:
            found.append(f"metadata.{name}: missing, {kind} needs it")
    return [*found, *(kafka_login(metadata, authentication) if kind == "kafka" and authentication is not None else ())]


def kafka_login(metadata: dict[str, str], given: set[str]) -> list[str]:
    """What `parseTLS` and `parseSASL` of kafka_scaler.go refuse, in their words."""
    found = []
    if metadata.get("tls") == "enable" and ("cert" in given) != ("key" in given):
        found.append("metadata.tls: cert and key must be provided together")
    provider = metadata.get("saslTokenProvider", "bearer") if metadata.get("sasl") == "oauthbearer" else ""
    if metadata.get("sasl", "none") in ("plaintext", "scram_sha256", "scram_sha512") or provider == "bearer":
        found += [f"metadata.sasl: no {name} given" for name in ("username", "password") if name not in given]
    if provider == "bearer" and "oauthTokenEndpointUri" not in given:
        found.append("metadata.sasl: no oauth token endpoint uri given")
    if provider == "aws_msk_iam":
        found += [] if metadata.get("tls") == "enable" else ["metadata.tls: TLS is required for AWS MSK authentication"]
        found += [] if metadata.get("awsRegion") else ["metadata.awsRegion: no awsRegion given"]
    return found


def _entry(kind: str, known: dict[str, dict[str, Any]], key: str, value: Any) -> list[str]:
    told = known.get(key) or known.get(key.removesuffix("FromEnv"))
    if told is None:
        return [f"metadata.{key}: {kind} has no such key: {', '.join(sorted(known))}"]
    if key not in known:
        return [] if told.get("envVariableReadable") else [f"metadata.{key}: {kind} reads it from no environment"]
    if not told.get("metadataVariableReadable"):
        return [f"metadata.{key}: {kind} reads it from a TriggerAuthentication only"]
    if "deprecated" in told:
        return [f"metadata.{key}: {told['deprecated']}"]
    allowed = told.get("allowedValue")
    if allowed and value not in (*allowed, SECRET, UNKNOWN):
        return [f"metadata.{key}: is {value!r}, must be one of {', '.join(allowed)}"]
    return []


@cache
def _read(name: str, folder: Path = HERE) -> Any:
    return json.loads((folder / name).read_text())
