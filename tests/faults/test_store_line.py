"""The line before SQLite's writer: everybody is served once, a failure stays with its owner, and nobody is stranded."""

import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from providers.sqlite.database import Database
from runtime.errors import Conflict, Unavailable

TABLE = ("CREATE TABLE notes (text TEXT PRIMARY KEY)",)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(str(tmp_path / "notes.db"), "notes", TABLE)
    yield database
    database.close()


def note(text: str) -> Callable[[sqlite3.Connection], str]:
    def work(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO notes VALUES (?)", (text,))
        return text

    return work


def notes(database: Database) -> list[str]:
    return [text for (text,) in database.read(lambda connection: connection.execute("SELECT text FROM notes ORDER BY text").fetchall())]


class Crowd:
    """Threads that stand in line behind a writer that is held, so that they are served as one batch."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.outcomes: dict[str, object] = {}
        self.threads: list[threading.Thread] = []

    def stand(self, name: str, work: Callable[[sqlite3.Connection], str]) -> threading.Thread:
        """One more in line; returns when it stands there."""
        before = len(self.database._line._turns)

        def call() -> None:
            try:
                self.outcomes[name] = self.database.write(work)
            except BaseException as error:  # noqa: BLE001  looked at by the test
                self.outcomes[name] = error

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        self.threads.append(thread)
        until = time.monotonic() + 30
        while len(self.database._line._turns) == before:
            assert time.monotonic() < until
            time.sleep(0.001)
        return thread

    def join(self) -> None:
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive(), "somebody was stranded"


def test_who_stands_in_line_is_served_by_one_commit(database: Database) -> None:
    crowd, commits = Crowd(database), 0

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    database.seize()
    for number in range(6):
        crowd.stand(f"n{number}", note(f"n{number}"))
    database.end(commit=False)
    database._writer.set_trace_callback(count)
    crowd.join()
    database._writer.set_trace_callback(None)
    assert crowd.outcomes == {f"n{number}": f"n{number}" for number in range(6)}
    assert notes(database) == [f"n{number}" for number in range(6)]
    assert commits <= 1


def test_work_that_fails_after_it_wrote_fails_alone_and_leaves_nothing(database: Database) -> None:
    def doomed(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO notes VALUES ('half done')")
        raise sqlite3.IntegrityError("a bug of ours")

    def refused(connection: sqlite3.Connection) -> str:
        raise Conflict("a", 0, 1)

    crowd = Crowd(database)
    database.seize()
    crowd.stand("before", note("before"))
    crowd.stand("doomed", doomed)
    crowd.stand("refused", refused)
    crowd.stand("twice", note("before"))
    crowd.stand("after", note("after"))
    database.end(commit=False)
    crowd.join()
    assert (crowd.outcomes["before"], crowd.outcomes["after"]) == ("before", "after")
    assert isinstance(crowd.outcomes["refused"], Conflict)
    assert isinstance(crowd.outcomes["doomed"], sqlite3.IntegrityError)
    assert isinstance(crowd.outcomes["twice"], sqlite3.IntegrityError)
    assert notes(database) == ["after", "before"]


def test_what_is_done_with_the_seized_writer_is_seen_after_its_end_only(database: Database) -> None:
    for commit in (False, True):
        database.seize().execute("INSERT INTO notes VALUES ('mine')")
        crowd = Crowd(database)
        crowd.stand(f"theirs {commit}", note(f"theirs {commit}"))
        assert "mine" not in notes(database)
        database.end(commit=commit)
        crowd.join()
    assert notes(database) == ["mine", "theirs False", "theirs True"]


def test_two_who_want_the_writer_for_themselves_take_turns_with_the_crowd(database: Database) -> None:
    def seize_often(name: str) -> None:
        for number in range(30):
            database.seize().execute("INSERT INTO notes VALUES (?)", (f"{name}-{number}",))
            database.end(commit=True)

    def write_often(name: str) -> None:
        for number in range(30):
            database.write(note(f"{name}-{number}"))

    threads = [threading.Thread(target=seize_often, args=(f"s{number}",)) for number in range(3)]
    threads += [threading.Thread(target=write_often, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert len(notes(database)) == 7 * 30


def test_ctrl_c_on_the_waiting_main_thread_strands_nobody(database: Database) -> None:
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        database.seize()
        held.set()
        release.wait(10)
        database.end(commit=True)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    crowd = Crowd(database)

    main = threading.get_ident()

    def interrupt() -> None:
        crowd.stand("behind", note("behind"))
        signal.pthread_kill(main, signal.SIGINT)

    threading.Timer(0.3, interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        database.write(note("mine"))
    release.set()
    holder.join(10)
    crowd.join()
    assert crowd.outcomes == {"behind": "behind"}
    assert notes(database) == ["behind"]
    assert database.write(note("again")) == "again"


def test_an_interrupt_of_the_leading_thread_leaves_the_others_in_doubt_and_the_line_moving(database: Database) -> None:
    def interrupted(connection: sqlite3.Connection) -> str:
        raise KeyboardInterrupt

    crowd = Crowd(database)
    database.seize()
    crowd.stand("leader", interrupted)
    crowd.stand("other", note("other"))
    database.end(commit=False)
    crowd.join()
    assert isinstance(crowd.outcomes["leader"], KeyboardInterrupt)
    error = crowd.outcomes["other"]
    assert isinstance(error, Unavailable)
    assert error.in_doubt
    assert notes(database) == []
    assert database.write(note("next")) == "next"
