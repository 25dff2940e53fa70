"""One system, on any hull: it reads like the picture of the design, and rights follow from what is granted here.

command ──▶ event store ──▶ relay ──▶ bus ──▶ projector of each group ──▶ read database ──▶ gateway
                                       │  lag ──▶ autoscaler 0 → N
"""

from collections.abc import Sequence

import pulumi

from stacks.cloud import Cloud, Gateway, Task
from stacks.description import Description, Group


def compose(cloud: Cloud, about: Description, retention_h: int) -> Gateway:
    """Everything that an application needs, in the order in which it can run."""
    events, rows, bus, callers = cloud.event_store(), cloud.read_database(), cloud.bus(), cloud.identity()

    # who uses what, and thereby may
    commands = events.grant()
    publishes, folds, listens = bus.grant("relay", "publish"), bus.grant("projector", "fold"), bus.grant("gateway", "listen")
    watches = bus.grant("scaler", "watch")
    scaler = cloud.autoscaler(watches, rows.count())
    upgrades = (commands, rows.grant(), bus.grant("admin", "administer"), scaler.grant())

    # before anything runs: tables, topics with their first offsets and rights, and a generation for each group
    prepared = [
        cloud.job(Task("prepare-database", "prepare-database"), (commands, rows.prepare()), ()),
        cloud.job(Task("prepare-bus", "prepare-bus"), (bus.prepare(retention_h, (publishes, folds, listens, watches)),), ()),
    ]
    rebuilt = [cloud.job(_upgrade("start", group), upgrades, prepared) for group in about.groups]
    ready: Sequence[pulumi.Resource] = (*prepared, *rebuilt)

    # command → store → relay → bus → projectors → rows → gateway
    relay = cloud.relay((commands, publishes), ready)
    projectors = [cloud.projector(group, (commands, rows.grant(), folds, scaler.grant()), scaler, ready) for group in about.groups]
    gateway = cloud.gateway((commands, rows.grant(), listens, callers.grant()), scaler, ready)

    # nobody reads the old generation any more
    for group in about.groups:
        cloud.job(_upgrade("finish", group), upgrades, (relay, *projectors, gateway.running))
    return gateway


def _upgrade(word: str, group: Group) -> Task:
    name = "rebuild" if word == "start" else word
    return Task(f"{name}-{group.name}", "upgrade", (word, f"--group={group.name}"), group)
