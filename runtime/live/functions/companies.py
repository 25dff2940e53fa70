"""Cohorts made ready to be told something, kept in memory: parsed, validated and compiled once, however many follow them."""

from collections import OrderedDict

from msgspec import Struct
from msgspec.structs import replace

from runtime.domain.app import App
from runtime.errors import Rejected
from runtime.live.answers.documents import Prepared
from runtime.live.answers.engine import Engine
from runtime.live.errors import Refused
from runtime.live.follow.matching import Passes, compiled
from runtime.live.follow.positions import Cursors
from runtime.live.follow.topics import Topic, topics_of
from runtime.live.functions.stored import Cohort, cohort_of
from runtime.live.plans import Plan

COHORTS = 1_000  # kept in memory


class Company(Struct, frozen=True):
    """A cohort, ready to be told something."""

    prepared: Prepared
    plan: Plan
    passes: Passes
    cursors: Cursors
    topics: tuple[Topic, ...]


class Companies:
    """The newest cohorts of an engine."""

    def __init__(self, app: App, engine: Engine) -> None:
        self._app, self._engine = app.name, engine
        self._tables = {table.part: table for group in app.groups.values() for table in group.tables}
        self._known: OrderedDict[str, Company] = OrderedDict()

    def known(self, cohort: str) -> Company | None:
        """One that is in memory."""
        known = self._known.get(cohort)
        if known is not None:
            self._known.move_to_end(cohort)
        return known

    def read(self, data: bytes) -> Company | None:
        """One that was stored; None when the schema has changed so that it means nothing any more."""
        try:
            return self.made(cohort_of(data))
        except (Refused, Rejected, ValueError, KeyError):
            return None

    def made(self, given: Cohort) -> Company:
        """A cohort by what it asks. Raises `Refused`."""
        known = self.known(given.plan.cohort)
        if known is None:
            plan = replace(given.plan, after="")
            topics = topics_of(plan, self._tables[plan.part])
            known = Company(self._engine.prepare(given.request), plan, compiled(plan.where), Cursors(self._app, plan), topics)
            self._known[plan.cohort] = known
            while len(self._known) > COHORTS:
                self._known.popitem(last=False)
        return known
