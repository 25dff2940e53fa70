"""GET /admin/flow: what every hop of the flow does just now, for a page that asks once a second.

What this process did is in memory (hosts.admin.watching). What a store or the bus knows is asked in the background (hosts.admin.knowing)
and never holds an answer up: what is not known is null, and `failure` says why. Nothing is scanned; what is listed is bounded.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hosts.admin import Admin
from hosts.admin.figures import Rate
from hosts.admin.knowing import Known
from hosts.admin.said import said
from hosts.http import known
from runtime.flow.project import consumer_group

WAIT_S = 0.4  # for answers that are under way
SOON_S, SELDOM_S, MEMBERS_S = 0.5, 2.0, 5.0  # between two questions: cheap ones, lists, and what costs a broker something
CLOSE_S = 2.0
OUTPUTS = 1_000  # of a saga that are looked at; `cut` says that there are more


def flow(admin: Admin, asked: Mapping[str, str]) -> object:
    """All hops, in the order of the flow."""
    known(asked, ())
    return admin.one(Flow).shown()


class Flow:
    """The questions of one process, each with its last answer."""

    def __init__(self, admin: Admin) -> None:
        self._admin, self._local, self._watching = admin, admin.local, admin.watching
        local, groups = admin.local, admin.app.groups
        self._clock = Known(local.rows.clock, SOON_S)
        self._epoch = Known(local.events.store.epoch, MEMBERS_S)
        self._backlog = Known(local.events.relay.backlog, SOON_S)
        self._lag = {name: Known(self._of_group(name, local.bus.lag), SOON_S) for name in groups}
        self._members = {name: Known(self._of_group(name, local.bus.members), MEMBERS_S) for name in groups}
        self._letters = {name: Known(self._letters_of(name), SELDOM_S) for name in groups}
        self._outputs = {name: Known(self._outputs_of(name), SELDOM_S) for name, group in groups.items() if group.saga}
        several = (self._lag, self._members, self._letters, self._outputs)
        self._questions: list[Known[Any]] = [self._clock, self._epoch, self._backlog, *(one for each in several for one in each.values())]
        self._pushes = Rate()
        self._figures: dict[str, int] = {}

    def close(self) -> None:
        """No question is under way when the stores close; one that hangs is left behind."""
        until_s = time.monotonic() + CLOSE_S
        for question in self._questions:
            question.answer(until_s)

    def _of_group[T](self, name: str, ask: Callable[[str], T]) -> Callable[[], T | None]:
        def answer() -> T | None:
            projector = self._local.projectors.get(name)
            return None if projector is None else ask(consumer_group(self._admin.app, projector.generation))

        return answer

    def _letters_of(self, name: str) -> Callable[[], int | None]:
        def answer() -> int | None:
            projector = self._local.projectors.get(name)
            return None if projector is None else len(self._local.rows.letters(name, projector.generation.number))

        return answer

    def _outputs_of(self, saga: str) -> Callable[[], dict[str, Any]]:
        def answer() -> dict[str, Any]:
            found = self._local.rows.outputs(saga, OUTPUTS)
            mine = [output for output in found if not output.generation]
            stuck = sum(output.stuck for output in mine)
            timers = sum(output.due is not None and not output.stuck for output in mine)
            return {"pending": len(mine) - stuck - timers, "timers": timers, "stuck": stuck, "cut": len(found) == OUTPUTS}

        return answer

    def shown(self) -> dict[str, Any]:
        """As the endpoint tells it; in bounded time, whatever is away."""
        for question in self._questions:
            question.refresh()
        until_s = time.monotonic() + WAIT_S
        groups = [self._group(name, until_s) for name in self._admin.app.groups]
        sagas = [self._saga(name, until_s) for name in self._outputs]
        watching, told = self._watching, self._admin.told
        p50, p95 = watching.latencies.ms(0.5, 0.95)
        return {
            "now": datetime.now(UTC),
            "uptime_s": round(time.monotonic() - watching.begun_s, 1),
            "clock": self._clock.answer(until_s),
            "commands": _rated(watching.commands) | {"refused": watching.refused, "p50_ms": p50, "p95_ms": p95},
            "store": {"kind": _kind(told.events), "per_s": watching.appended.per_s(), "epoch": self._epoch.answer(until_s)},
            "relay": {"backlog": self._backlog.answer(until_s)} | _rated(watching.relayed),
            "bus": {"kind": _kind(told.bus), "partitions": self._local.bus.partitions},
            "groups": groups,
            "sagas": sagas,
            "rows": {"kind": _kind(told.rows)},
            "gateway": self._gateway(),
            "failure": self._failure(),
        }

    def _group(self, name: str, until_s: float) -> dict[str, Any]:
        watching, projector = self._watching, self._local.projectors.get(name)
        lag = self._lag[name].answer(until_s)
        p50, p95 = watching.batches[name].ms(0.5, 0.95)
        return {
            "name": name,
            "saga": self._admin.app.groups[name].saga,
            "generation": None if projector is None else projector.generation.number,
            "lag": None if lag is None else [{"partition": partition, "messages": count} for partition, count in sorted(lag.items())],
            "lag_total": None if lag is None else sum(lag.values()),
            "replicas": self._members[name].answer(until_s),
            **_rated(watching.folded[name]),
            "batch_p50_ms": p50,
            "batch_p95_ms": p95,
            "letters": self._letters[name].answer(until_s),
        }

    def _saga(self, name: str, until_s: float) -> dict[str, Any]:
        counted = self._outputs[name].answer(until_s) or {"pending": None, "timers": None, "stuck": None, "cut": False}
        sent = self._watching.sent[name]
        return {"name": name, **counted, "sent": sent.total, "per_s": sent.per_s()}

    def _gateway(self) -> dict[str, Any]:
        """The gateway's own figures; its pushes are a total, so how many they are a second is seen from poll to poll."""
        with suppress(RuntimeError):  # its connections changed while this thread counted them: those of the last time will do
            self._figures = self._admin.figures()
        figures = self._figures
        pushes = figures.get("pushes", 0)
        self._pushes.add(max(0, pushes - self._pushes.total))
        zeros = dict.fromkeys(("connections", "operations", "subscriptions", "cohorts", "pushes"), 0)
        return zeros | figures | {"pushes_per_s": self._pushes.per_s()}

    def _failure(self) -> str | None:
        """What stopped the process, else the first question that was not answered."""
        if self._local.failure is not None:
            return said(self._local.failure)
        return next((question.failure for question in self._questions if question.failure), None)


def _rated(rate: Rate) -> dict[str, Any]:
    return {"total": rate.total, "per_s": rate.per_s()}


def _kind(url: str) -> str:
    scheme = url.partition("://")[0]
    return "postgresql" if scheme == "postgres" else scheme
