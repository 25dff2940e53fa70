"""The probe's fields with subscriptions of its own: async generators, for drivers that can hold one."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import graphene

from tests.live.protocol.fields import Query as Query

OPEN: set[str] = set()  # generators that run
MADE: Counter[str] = Counter()  # results that they made


class Subscription(graphene.ObjectType):  # type: ignore[misc]  # graphene is not typed
    count = graphene.Int(to=graphene.Int(required=True), every_s=graphene.Float(default_value=0.0), name=graphene.String(default_value=""))
    breaks = graphene.Int()
    refuses = graphene.Int()
    odd = graphene.Int()
    flood = graphene.String(size=graphene.Int(required=True))

    @staticmethod
    async def subscribe_count(_: Any, info: Any, to: int, every_s: float, name: str) -> AsyncIterator[int]:
        OPEN.add(name)
        try:
            for number in range(1, to + 1):
                await asyncio.sleep(every_s)
                yield number
        finally:
            OPEN.discard(name)

    @staticmethod
    def resolve_count(number: int, info: Any, **_: Any) -> int:
        return number

    @staticmethod
    async def subscribe_breaks(_: Any, info: Any) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("the secret of the house")

    @staticmethod
    def resolve_breaks(number: int, info: Any) -> int:
        return number

    @staticmethod
    async def subscribe_refuses(_: Any, info: Any) -> AsyncIterator[int]:
        raise RuntimeError("the secret of the house")

    @staticmethod
    async def subscribe_odd(_: Any, info: Any) -> AsyncIterator[int]:
        for number in (1, 2, 3):
            yield number

    @staticmethod
    def resolve_odd(number: int, info: Any) -> int:
        if number == 2:
            raise RuntimeError("the secret of the house")
        return number

    @staticmethod
    async def subscribe_flood(_: Any, info: Any, size: int) -> AsyncIterator[str]:
        MADE["flood"] = 0
        while True:
            MADE["flood"] += 1
            yield "x" * size

    @staticmethod
    def resolve_flood(text: str, info: Any, **_: Any) -> str:
        return text
