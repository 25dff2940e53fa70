"""The probe's own fields: a greeting, who asks, something slow, and what fails in several ways."""

import asyncio
from typing import Any

import graphene

CANCELLED: list[str] = []  # slow fields that somebody stopped


class Query(graphene.ObjectType):  # type: ignore[misc]  # graphene is not typed
    hello = graphene.String(name=graphene.String(default_value="world"))
    who = graphene.String()
    slow = graphene.String(seconds=graphene.Float(required=True), name=graphene.String(default_value=""))
    fails = graphene.String()
    fails_whole = graphene.NonNull(graphene.String)
    large = graphene.String(size=graphene.Int(required=True))

    @staticmethod
    def resolve_hello(_: Any, info: Any, name: str) -> str:
        return f"hello {name}"

    @staticmethod
    def resolve_who(_: Any, info: Any) -> str:
        return str(info.context.identity.subject)

    @staticmethod
    async def resolve_slow(_: Any, info: Any, seconds: float, name: str) -> str:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            CANCELLED.append(name)
            raise
        return "slept"

    @staticmethod
    def resolve_fails(_: Any, info: Any) -> str:
        raise RuntimeError("the secret of the house")

    @staticmethod
    def resolve_fails_whole(_: Any, info: Any) -> str:
        raise RuntimeError("the secret of the house")

    @staticmethod
    def resolve_large(_: Any, info: Any, size: int) -> str:
        return "x" * size
