"""Commands of operators: dead letters, stuck sagas, rebuilds."""

import os
import subprocess
import sys
from typing import Any

from msgspec.structs import asdict

from cli.opening import Opened, opened
from cli.output import FAILED, Exit, as_json, remark, say, table
from cli.progress import counting
from hosts.providers import open_bus
from hosts.settings import Settings
from runtime.errors import Misconfigured, Rejected
from runtime.flow.parked import Operations, unknown
from runtime.flow.rebuild import Rebuild
from runtime.ports import Generation, Output, Phase
from runtime.steps import run


# --- dead letters
def dlq_list(told: Settings, *, json: bool) -> None:
    """What is parked, and what sagas could not get done."""
    with opened(told) as it:
        letters = run(_operations(it).parked())
        stuck = run(_operations(it).stuck())
    if json:
        as_json({"letters": [asdict(letter) for _, letter in letters], "stuck": [_plain(output) for output in stuck]})
        return
    if not letters and not stuck:
        say("nothing is parked, no saga is stuck")
        return
    columns = ["part", "stream", "version", "tries", "reason", "error"]
    rows = [[one.part, one.stream, one.version, one.tries, one.reason, one.error] for _, one in letters]
    rows += [[one.saga, one.stream, one.version, one.tries, "stuck", one.error] for one in stuck]
    table(columns, rows)


def dlq_show(told: Settings, part: str, stream: str, *, json: bool) -> None:
    """One letter and the event it stands at."""
    with opened(told) as it:
        letters = [letter for _, letter in run(_operations(it).parked_at(part, stream))]
        stuck = run(_operations(it).stuck_at(part, stream))
        if not letters and not stuck:
            raise unknown(part, stream)
        for letter in letters:
            events = it.events.store.read(stream, letter.version - 1, 1)
            event = events[0].data.decode() if events else None
            if json:
                as_json(asdict(letter) | {"event": event})
            else:
                say(f"{part} parked {stream}@{letter.version} after {letter.tries} tries ({letter.reason})")
                say(f"  error  {letter.error}")
                say(f"  event  {event or 'not in the store'}")
        for output in stuck:
            if json:
                as_json(_plain(output))
            else:
                say(f"{part} is stuck at {stream}@{output.version} after {output.tries} tries")
                say(f"  error    {output.error}")
                say(f"  command  {output.command.decode()}")


def dlq_redrive(told: Settings, part: str, stream: str, *, every: bool) -> None:
    """Fold again what waits; commands of a stuck saga are tried again from zero."""
    with opened(told) as it:
        operations = _operations(it)
        chosen = run(operations.parked() if every else operations.parked_at(part, stream))
        failed = 0
        for parked in chosen:
            letter = parked[1]
            try:
                folded = run(operations.redrive(parked))
            except Rejected as error:
                failed += 1
                remark(str(error))
            else:
                say(f"{letter.part} {letter.stream}: {folded:,} events folded")
        stuck = run(operations.stuck() if every else operations.stuck_at(part, stream))
        for output in stuck:
            run(operations.unstick(output))
            say(f"{output.saga} {output.stream}@{output.version}: tried again")
        if not chosen and not stuck:
            raise Rejected("nothing is parked") if every else unknown(part, stream)
    if failed:
        raise Exit(FAILED)


def dlq_drop(told: Settings, part: str, stream: str) -> None:
    """Give up the one event a letter stands at (or a stuck saga's commands of that stream), and go on after it."""
    with opened(told) as it:
        operations = _operations(it)
        chosen = run(operations.parked_at(part, stream))
        for parked in chosen:
            letter, folded = parked[1], run(operations.drop(parked))
            say(f"{letter.part} {letter.stream}@{letter.version} dropped, {folded:,} events after it folded")
        stuck = run(operations.stuck_at(part, stream))
        for output in stuck:
            run(operations.give_up(output))
            say(f"{output.saga} {output.stream}@{output.version}: its command is given up")
        if not chosen and not stuck:
            raise unknown(part, stream)


def _operations(it: Opened) -> Operations:
    from providers.memory.signals import MemorySignals  # nobody listens in this process; the change log tells everyone else

    return Operations(it.app, it.events.store, it.rows, MemorySignals())


def _plain(output: Output) -> dict[str, Any]:
    return asdict(output) | {"command": output.command.decode()}


# --- rebuild
def rebuild(
    told: Settings,
    what: str,
    group: str,
    dollars: float,
    replicas: int,
    *,
    json: bool,
    silent: bool | None,
    force: bool,
    workers: int = 1,
) -> None:
    """plan, start, status or abort for one group or, where it does no harm, for all."""
    with opened(told) as it:
        groups = _groups(it, what, group)
        bus, signals = open_bus(told.bus, it.app)
        try:
            for name in groups:
                work = Rebuild(it.app, name, it.events.store, it.rows, bus, signals)
                match what:
                    case "plan":
                        _plan(work, dollars, replicas, json=json)
                    case "status":
                        _status(work, json=json)
                    case "abort":
                        run(work.abort())
                        remark(f"{name}: the rebuild is gone, the live rows were never touched")
                    case "finish":
                        _finish(work, it, name, force=force)
                    case _:
                        if silent is None and it.app.groups[name].saga and not it.rows.generations(name) and it.events.store.heads("", 1):
                            raise Misconfigured(
                                f"saga {name!r} has no rows: say --silent (what it had to send was sent, or came with an import) or --resend"
                            )
                        _start(work, it, told, name, silent=bool(silent), workers=workers)
        finally:
            bus.close()
            signals.close()


def _groups(it: Opened, what: str, group: str) -> list[str]:
    if group:
        return [group]
    if what in ("plan", "status", "finish") or len(it.app.groups) == 1:
        return list(it.app.groups)
    raise Misconfigured(f"--group: say which one, {it.app.name!r} has {', '.join(it.app.groups)}")


def _plan(work: Rebuild, dollars: float, replicas: int, *, json: bool) -> None:
    plan = run(work.plan(dollars, replicas))
    if json:
        as_json(asdict(plan))
    else:
        say(
            f"{plan.group}: {plan.events:,} events of {plan.streams:,} streams, about {plan.minutes:.1f} minutes "
            f"with {plan.replicas} replica(s), ${plan.dollars:.2f}"
        )


def _status(work: Rebuild, *, json: bool) -> None:
    status = run(work.status())
    if json:
        as_json(asdict(status))
    elif status.green is None:
        say(f"{status.group}: generation {status.live} is live, nothing is being rebuilt")
    else:
        say(
            f"{status.group}: generation {status.green} has {status.streams_done:,} of {status.streams:,} streams, "
            f"{status.letters:,} letters; {status.live} is live"
        )


def _start(work: Rebuild, it: Opened, told: Settings, name: str, *, silent: bool, workers: int) -> None:
    """Fill green, let it take over, drop blue."""
    green = run(work.start())
    remark(f"{name}: filling generation {green.number} …")
    if workers > 1 and not it.app.groups[name].saga:
        folded = _fill_together(told, name, green, run(work.slices(workers)))
    else:
        with counting(f"{name}: folding", run(work.plan(0.0)).events) as counted:
            folded = counted(work.fill(green))
    remark(f"{name}: {folded:,} events folded, taking over …")
    run(work.swap(silent=silent))
    say(f"{name}: generation {green.number} is live")
    _finish(work, it, name, force=False)


def _fill_together(told: Settings, name: str, green: Generation, slices: list[tuple[str, str]]) -> int:
    """A process for each slice; how many events they folded. One that fails has said why, and takes the others with it."""
    environment = os.environ | {"TRIMARAN_APP": told.app, "TRIMARAN_EVENTS": told.events, "TRIMARAN_ROWS": told.rows}  # no password in `ps`
    workers: list[subprocess.Popen[str]] = []
    try:
        for place, (after, until) in enumerate(slices):
            words = [f"--group={name}", f"--generation={green.number}", f"--after={after}", f"--until={until}"]
            words += [f"--worker={place}", f"--workers={len(slices)}"]
            command = [sys.executable, "-m", "hosts.rebuild", *words]
            workers.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
        folded = 0
        for worker in workers:
            text = worker.communicate()[0]
            if worker.returncode:
                raise Exit(worker.returncode if worker.returncode > 0 else FAILED)
            folded += int(text)
        return folded
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.terminate()
                worker.communicate()


def _finish(work: Rebuild, it: Opened, name: str, *, force: bool) -> None:
    """Drop what nobody reads any more."""
    for number in run(work.finish(force=force)):
        say(f"{name}: generation {number} is dropped")
    left = [one.number for one in it.rows.generations(name) if one.phase in (Phase.BLUE, Phase.FENCED)]
    if left:
        remark(
            f"{name}: generation {', '.join(map(str, left))} is still read and folded on; `trimaran rebuild finish` drops it later, --force now"
        )
