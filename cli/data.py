"""Commands that look at streams and rows, send commands, and move streams in and out."""

import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from cli.opening import opened, opened_events, prepare
from cli.output import as_json, remark, say
from cli.progress import bar
from hosts.settings import Settings, load_app
from runtime.domain import App, Command
from runtime.errors import Malformed, Misconfigured, Rejected
from runtime.flow.command import Commands
from runtime.ports import Phase, Recorded
from runtime.steps import run

PAGE = 1_000


def send(told: Settings, text: str, key: str, tenant: str, *, json: bool) -> None:
    """Send one command, or with `-` one a line from stdin; all are read and checked before the first is sent."""
    known = load_app(told.app)
    commands = [(_decoded(known, line, where), where) for line, where in _lines(text)]
    if key and len(commands) > 1:
        raise Misconfigured("--key names one command: leave it out for several")
    with opened_events(told) as (app, events):
        prepare(app, events.store, told.rows)
        sender = Commands(app, events.store, events.snapshots)
        for command, where in commands:
            try:
                answer = sender.send(command, key, tenant)
            except Rejected as error:
                raise type(error)(f"{where}{error}") if type(error) in (Rejected, Malformed) else error from error
            if json:
                as_json({"token": answer.token} | msgspec.structs.asdict(answer))
            else:
                say(answer.token)


def _lines(text: str) -> list[tuple[bytes, str]]:
    if text != "-":
        return [(text.encode(), "")]
    lines = [(line, f"line {number:,}: ") for number, line in enumerate(sys.stdin.buffer, 1) if line.strip()]
    if not lines:
        raise Malformed("there is no command on stdin")
    return lines


def _decoded(app: App, text: bytes, where: str) -> Command:
    try:
        return app.commands.decode(text)
    except Malformed as error:
        raise Malformed(f"{where}{error}") from error


def streams(told: Settings, stream: str, prefix: str, *, json: bool) -> None:
    """List streams, or the events of one."""
    with opened_events(told) as (_, events):
        if stream:
            found = False
            for event in _events(events.store, stream):
                found = True
                _show(event, json=json)
            if not found:
                raise Rejected(f"there is no stream {stream!r}: `trimaran streams` lists them")
            return
        after = prefix[:-1] + chr(ord(prefix[-1]) - 1) + "\U0010ffff" if prefix else ""
        while page := events.store.heads(after, PAGE):
            for head in page:
                if prefix and not head.stream.startswith(prefix):
                    if head.stream > prefix:
                        return
                    continue
                as_json({"stream": head.stream, "version": head.version}) if json else say(f"{head.stream}@{head.version}")
            after = page[-1].stream


def _events(store: Any, stream: str) -> Any:
    after = 0
    while page := store.read(stream, after, PAGE):
        yield from page
        after = page[-1].version


def _show(event: Recorded, *, json: bool) -> None:
    if json:
        fields = msgspec.structs.asdict(event) | {"data": msgspec.Raw(event.data)}
        as_json({name: value for name, value in fields.items() if value != ""})
    else:
        say(f"{event.version:>6}  {event.time[:19]:<19}  {event.type:<20}  {event.data.decode()}")


def replay(told: Settings, stream: str, to: int, *, json: bool) -> None:
    """Fold a stream again and show the state after each event, up to a version: what the decider knew then."""
    with opened_events(told) as (app, events):
        plan = app.plans.get(app.category_of(stream))
        if plan is None:
            raise Rejected(f"stream {stream!r} is of no decider of {app.name!r}: it has {', '.join(app.plans)}")
        state, shown = plan.decider.initial, False
        for event in _events(events.store, stream):
            if to and event.version > to:
                break
            state, shown = plan.fold(state, [event.data]), True
            body = msgspec.json.encode(state)
            if json:
                as_json({"version": event.version, "type": event.type, "state": msgspec.Raw(body)})
            else:
                say(f"{event.version:>6}  {event.type:<20}  {body.decode()}")
        if not shown:
            raise Rejected(f"there is no stream {stream!r}: `trimaran streams` lists them")


def watch(told: Settings, part: str, seconds: float, *, json: bool) -> None:
    """Print changed rows as they are projected, from now on, out of the change log; other processes' changes, too."""
    with opened(told) as it:
        group = next((group for group in it.app.groups.values() if any(one.part == part for one in group.tables)), None)
        if group is None:
            it.reading.columns(part)  # raises, naming the parts
            return
        until = time.monotonic() + seconds if seconds else float("inf")
        generation = run(it.reading.generation(group))
        seen = {shard: last for shard, (_, last) in it.rows.history(group.name, generation.number).items()}
        remark(f"watching {part} of {it.app.name}, Ctrl-C ends it")
        while time.monotonic() < until:
            for shard, (first, last) in it.rows.history(group.name, generation.number).items():
                after = max(seen.get(shard, 0), first - 1)
                while after < last:
                    changes = it.rows.changes(group.name, generation.number, shard, after, PAGE)
                    if not changes:
                        break
                    for change in changes:
                        if change.part == part:
                            _show_change(change.key, change.revision, change.after, json=json)
                    after = changes[-1].number
                seen[shard] = after
            time.sleep(0.2)
            current = run(it.reading.generation(group))
            if current.number != generation.number and current.phase is Phase.LIVE:
                generation, seen = current, {}
                remark(f"a rebuild took over: generation {generation.number}")


def _show_change(key: str, revision: int, after: bytes, *, json: bool) -> None:
    if json:
        as_json({"key": key, "revision": revision, "row": msgspec.Raw(after) if after else None})
    else:
        say(f"{key}  r{revision}  {after.decode() if after else 'gone'}")


def export(told: Settings, path: str) -> None:
    """Write all streams, keys and saga outputs as JSON Lines; a file that is not whole is continued."""
    from runtime.flow.transfer import Place, place_after
    from runtime.flow.transfer import export as transfer

    with opened(told) as it:
        if path == "-":
            moved = run(transfer(it.app, it.events.store, it.rows, sys.stdout.buffer.write))
            sys.stdout.buffer.flush()
        else:
            with _file(path, "a+b") as file:
                file.seek(0)
                place = place_after(it.app, file)
                if place.whole:
                    raise Misconfigured(f"{path} is a whole export already: choose another name")
                if place.begun:
                    remark(f"{path} is an export that was interrupted after {place.moved.events:,} events: going on")
                file.truncate(place.bytes)
                after = place if place.begun else Place()
                with bar("events exported") as show:
                    moved = run(transfer(it.app, it.events.store, it.rows, file.write, after, lambda so_far: show(so_far.events)))
        remark(f"exported {moved.events:,} events, {moved.keys:,} keys, {moved.outputs:,} saga outputs")


def load(told: Settings, path: str) -> None:
    """Import an export; what is there already and is the same is skipped."""
    from runtime.flow.transfer import load as transfer

    with opened(told) as it:
        if path == "-":
            moved = run(transfer(it.app, it.events.store, it.rows, sys.stdin.buffer))
        else:
            with _file(path, "rb") as file, bar("events imported") as show:
                moved = run(transfer(it.app, it.events.store, it.rows, file, lambda so_far: show(so_far.events)))
        remark(f"imported {moved.events:,} events, {moved.keys:,} keys, {moved.outputs:,} saga outputs")
        for group in it.app.groups.values():
            if group.saga and moved.events and not it.rows.generations(group.name):
                remark(f"next: `trimaran rebuild start --group {group.name} --silent`, for what it had to send came with the import")


def _file(path: str, mode: str) -> BinaryIO:
    try:
        file = Path(path).open(mode)  # noqa: SIM115  the caller closes it
    except OSError as error:
        raise Misconfigured(f"cannot open {path} ({error.strerror}): choose another file") from None
    return file  # type: ignore[return-value]
