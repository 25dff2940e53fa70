"""Export and import: whole streams as JSON Lines, with their versions, kept keys and answers, and what sagas still have to send.

    {"line":"about", …}                       what this is
    {"line":"event", …} {"line":"key", …}     stream by stream: its events in order, then its keys
    {"line":"output", …}                      commands and timers of sagas on their way
    {"line":"end", …}                         how many; a file without it is not whole

Both can be stopped anywhere and go on: an export after the last line that is there, an import because what is stored is skipped.
A stream's keys never reach beyond the events exported with it, so each stream is whole by itself while commands come in; what
came in behind the reader is in the next export, which imports on top of the first.
"""

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct, field

from runtime.domain.app import App
from runtime.errors import Malformed, Rejected
from runtime.flow.lines import (
    FORMAT,
    About,
    EndLine,
    EventLine,
    KeyLine,
    Line,
    OutputLine,
    encode,
    event_line,
    kept,
    output,
    output_line,
    read_line,
    recorded,
)
from runtime.ports import EventStore, Head, KeptKey, ReadStore
from runtime.steps import Steps, ask

PAGE = 1_000
OUTPUTS = 1_000_000  # pending at once; an export beyond that is refused
LAST = 2**62


class Moved(Struct):
    """How far a transfer is."""

    events: int = 0
    keys: int = 0
    outputs: int = 0


class Place(Struct):
    """Where an export stopped: the stream, the version that was written, and the last key of it."""

    stream: str = ""
    version: int = 0
    key: str = ""
    moved: Moved = field(default_factory=Moved)
    begun: bool = False
    whole: bool = False
    bytes: int = 0  # of the file, up to there; what follows is written anew


def place_after(app: App, lines: Iterable[bytes]) -> Place:
    """Where to go on after these lines of an export of the app."""
    place = Place()
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            break  # torn
        match read_line(line, number):
            case About(name):
                _check_app(app, name)
                place.begun = True
            case EventLine(stream, version):
                place.stream, place.version, place.key = stream, version, ""
                place.moved.events += 1
            case KeyLine(stream, key):
                place.version = place.version if stream == place.stream else 0
                place.stream, place.key = stream, key
                place.moved.keys += 1
            case OutputLine():
                break  # they change: an export that goes on writes them anew
            case EndLine():
                place.whole = True
                break
        place.bytes += len(line)
    return place


def export(
    app: App,
    store: EventStore,
    rows: ReadStore | None,
    write: Callable[[bytes], object],
    after: Place | None = None,
    progress: Callable[[Moved], None] = lambda _: None,
) -> Steps[Moved]:
    """Write everything after a place, a line a call, and what sagas of `rows` have to send. Raises what `write` raises."""
    place = after or Place()
    moved = place.moved
    if not place.begun:
        write(encode(About(app.name, (yield from ask(store.epoch)))) + b"\n")
    keys = _Keys(store, (place.stream, place.key))
    position = Head(place.stream, LAST if place.key else place.version)
    stream, version = place.stream, place.version
    while events := (yield from ask(store.bulk, position, "", PAGE)):
        for event in events:
            if event.stream != stream:
                yield from _write_keys(keys, event.stream, stream, version, write, moved)
                stream = event.stream
            version = event.version
            write(encode(event_line(event)) + b"\n")
            moved.events += 1
        position = Head(stream, version)
        progress(moved)
    yield from _write_keys(keys, "", stream, version, write, moved)
    if rows is not None:
        yield from _write_outputs(app, rows, write, moved)
    write(encode(EndLine(moved.events, moved.keys, moved.outputs)) + b"\n")
    progress(moved)
    return moved


class _Keys:
    """The kept keys of a store in order, read page by page."""

    def __init__(self, store: EventStore, after: tuple[str, str]) -> None:
        self._store, self._after = store, after
        self._page: list[KeptKey] = []
        self._more = True

    def next(self) -> Steps[KeptKey | None]:
        """The next key, still to be taken."""
        if not self._page and self._more:
            page = yield from ask(self._store.keys, self._after, PAGE)
            self._more = len(page) == PAGE
            self._page = page[::-1]
        return self._page[-1] if self._page else None

    def take(self) -> None:
        """It was dealt with."""
        taken = self._page.pop()
        self._after = (taken.stream, taken.key)


def _write_keys(keys: _Keys, until: str, stream: str, version: int, write: Callable[[bytes], object], moved: Moved) -> Steps[None]:
    """The keys of streams before `until` ("": of all); `stream` was written up to `version`, streams between have keys but no event."""
    while (key := (yield from keys.next())) is not None and (not until or key.stream < until):
        keys.take()
        if key.last <= (version if key.stream == stream else 0):
            write(encode(KeyLine(key.stream, key.key, key.digest, key.first, key.last, key.epoch)) + b"\n")
            moved.keys += 1


def _write_outputs(app: App, rows: ReadStore, write: Callable[[bytes], object], moved: Moved) -> Steps[None]:
    for group in app.groups.values():
        if not group.saga:
            continue
        outputs = yield from ask(rows.outputs, group.name, OUTPUTS)
        if len(outputs) >= OUTPUTS:
            raise Rejected(f"saga {group.name!r} has {OUTPUTS:,} commands or timers pending: let it work them off before an export")
        for one in outputs:
            if not one.generation:  # what a rebuild holds back is made again by the rebuild
                write(encode(output_line(one)) + b"\n")
                moved.outputs += 1


def load(
    app: App, store: EventStore, rows: ReadStore | None, lines: Iterable[bytes], progress: Callable[[Moved], None] = lambda _: None
) -> Steps[Moved]:
    """Import the lines of an export. `Malformed` names a bad line, `Conflict` a stream that differs; what came before it stays."""
    moved = Moved()
    for batch in _batches(app, lines):
        events = [line for line in batch if isinstance(line, EventLine)]
        keys = [line for line in batch if isinstance(line, KeyLine)]
        outputs = [line for line in batch if isinstance(line, OutputLine)]
        if outputs and rows is None:
            raise Rejected("the export holds commands and timers of sagas: say --rows, too")
        yield from ask(store.restore, [recorded(line) for line in events], [kept(line) for line in keys])
        if outputs and rows is not None:
            yield from ask(rows.put_outputs, [output(line) for line in outputs])
        moved.events += len(events)
        moved.keys += len(keys)
        moved.outputs += len(outputs)
        progress(moved)
    return moved


def _batches(app: App, lines: Iterable[bytes]) -> Iterator[list[Line]]:
    """Lines that are imported together; refuses a file of another app, and one that is not whole."""
    batch: list[Line] = []
    number, whole = 0, False
    for number, text in enumerate(lines, 1):
        line = read_line(text, number)
        if isinstance(line, About):
            _check_app(app, line.app)
            if line.format != FORMAT:
                raise Malformed(f"the export has format {line.format}, this program reads {FORMAT}")
        elif number == 1:
            raise Malformed("line 1 is not the head of an export")
        whole = isinstance(line, EndLine)
        batch.append(line)
        if len(batch) >= PAGE:
            yield batch
            batch = []
    yield batch
    if not whole:
        raise Malformed(
            f"the export ends after line {number:,} without its last line: export again (it goes on where it stopped), then import again"
        )


def _check_app(app: App, name: str) -> None:
    if name != app.name:
        raise Malformed(f"this is an export of app {name!r}, not of {app.name!r}: say --app")
