"""GraphQL fields of an app's own, as `App(fields=…)` names them, for the tests."""

from collections.abc import AsyncIterator
from typing import Any

import graphene
from graphql import GraphQLError

from runtime.errors import Rejected


class Query(graphene.ObjectType):  # type: ignore[misc]
    """Reads."""

    loud = graphene.String(room=graphene.String(required=True))

    async def resolve_loud(root: Any, info: Any, room: str) -> str:
        """The owner of thing 1 in a room, loudly; with the caller's rights."""
        found = await info.context.get("thing", room, 1)
        return "NOBODY" if found is None else str(found["owner"]).upper()


class Shout(graphene.Mutation):  # type: ignore[misc]
    """Fails in the way it is told."""

    class Arguments:
        """How."""

        how = graphene.String(required=True)

    done = graphene.Boolean()

    def mutate(root: Any, info: Any, how: str) -> None:
        """Never succeeds."""
        if how == "reject":
            raise Rejected("not so loud")
        if how == "code":
            raise GraphQLError("my own words", extensions={"code": "MINE"})
        raise ValueError("secret")


class Mutation(graphene.ObjectType):  # type: ignore[misc]
    """Writes."""

    shout = Shout.Field()


class Subscription(graphene.ObjectType):  # type: ignore[misc]
    """Follows."""

    ticks = graphene.Int(to=graphene.Int(required=True))
    broken = graphene.Int()
    closed: list[str] = []  # not a field: what the tests look at

    async def subscribe_ticks(root: Any, info: Any, to: int) -> AsyncIterator[int]:
        """0, 1, 2 …"""
        try:
            for number in range(to):
                yield number
        finally:
            Subscription.closed.append("ticks")

    async def subscribe_broken(root: Any, info: Any) -> AsyncIterator[int]:
        """One, and an error."""
        yield 1
        raise ValueError("secret")
