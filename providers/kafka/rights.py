"""Rights on the brokers (ACLs) as they are declared, read from JSON and granted where they are missing.

    [{"principal": "User:relay", "resource": "topic", "name": "trimaran.shop", "pattern": "literal", "operation": "write"}, …]

Rights that are there and not declared stay: they may be somebody else's.
"""

from typing import Any, Literal

import msgspec
from kafka import errors
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from msgspec import Struct

from runtime.errors import Misconfigured

type Resource = Literal["topic", "group", "cluster", "transactional_id"]
type Operation = Literal[
    "all",
    "read",
    "write",
    "create",
    "delete",
    "alter",
    "describe",
    "cluster_action",
    "describe_configs",
    "alter_configs",
    "idempotent_write",
]
CLUSTER = "kafka-cluster"  # the name that Kafka gives the one resource of that kind


class Right(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that somebody may do, from any host."""

    principal: str
    resource: Resource
    operation: Operation
    name: str = CLUSTER
    pattern: Literal["literal", "prefixed"] = "literal"

    @property
    def acl(self) -> Any:
        """In kafka-python's words."""
        pattern = ResourcePattern(ResourceType[self.resource.upper()], self.name, ACLResourcePatternType[self.pattern.upper()])
        return ACL(self.principal, "*", ACLOperation[self.operation.upper()], ACLPermissionType.ALLOW, pattern)


def rights_of(text: str) -> list[Right]:
    """The rights of a JSON list; nothing is none. Raises `Misconfigured`."""
    if not text:
        return []
    try:
        rights = msgspec.json.decode(text, type=list[Right])
    except msgspec.MsgspecError as error:
        raise Misconfigured(f"TRIMARAN_RIGHTS: {error}; a right is {{principal, resource, name, pattern, operation}}") from error
    for right in rights:
        if not right.principal.startswith("User:") or not right.name:
            raise Misconfigured(f"TRIMARAN_RIGHTS: principal {right.principal!r}, name {right.name!r}: write User:… and a name")
    return rights


def grant(admin: Any, rights: list[Right]) -> int:
    """Grant those that are missing; how many. Raises kafka-python's errors, `Misconfigured` where brokers keep no rights."""
    everything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    allowed = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ALLOW, everything)
    try:
        there = admin.describe_acls(allowed)[0]
    except errors.SecurityDisabledError as error:
        raise Misconfigured("the brokers keep no rights (no authorizer): declare none, or give the brokers an authorizer") from error
    absent = [right.acl for right in rights if right.acl not in there]
    if absent:
        for failure in admin.create_acls(absent)["failed"]:
            raise failure("create_acls")
    return len(absent)
