"""Fault 44: whatever six people of three organisations ask, none of them is told a word of another organisation, or of another's diary.

They use each other's ids, filters, keys, tokens and cursors, and ids that look like streams and patterns. What is there is compared with
a model at the end, so that a gateway that tells nobody anything would fail as well.
"""

import json
import random
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from runtime.live.limits import Limits
from tests.live import bed
from tests.live.notebook import app, mark
from tests.live.protocol.client import Client, Ended
from tests.rounds import rounds

ORGS = ("acme", "acm", "a%")  # one the beginning of another, one a pattern
SUBJECTS = ("ann", "bob")
IDS = ("1", "2", "acme/note-1", "note-1", "%", "_", "acm/1", "a%/2", "../1", "1@1", "é")
KEYS = ("", "", "k1", "k2", "k3")
MARK = re.compile("«([^¦]*)¦([^»]*)»")

WRITE = "mutation ($input: WriteInput!, $key: String) { write(input: $input, key: $key) { token replayed } }"
TEAR = "mutation ($input: TearInput!, $key: String) { tear(input: $input, key: $key) { token } }"
ONE = "query ($note: String!, $after: String) { %s(note: $note, after: $after) { note author text } }"
MANY = """query ($where: %sFilter, $orderBy: [%sOrder!], $first: Int, $after: String) {
  %sRows(where: $where, orderBy: $orderBy, first: $first, after: $after) { edges { cursor node { note author text } } pageInfo { endCursor } } }"""
TALLY = "query ($author: String!) { tallies(author: $author) { author notes } talliesRows { nodes { author notes } } }"
FOLLOW_ONE = "subscription ($note: String!, $after: String) { %s(note: $note, after: $after) { row { note author text } cursor } }"
FOLLOW_MANY = """subscription ($where: %sFilter, $after: String) {
  %sRows(where: $where, after: $after) { changed { key row { note author text } } removed { key } cursor reset } }"""
FOLLOW_TALLIES = "subscription { talliesRows { changed { key row { author notes } } cursor } }"


class Person:
    """Somebody with a token, a socket, and everything that they were ever told."""

    def __init__(self, running: bed.Bed, org: str, subject: str) -> None:
        self.org, self.subject, self.told = org, subject, []  # type: ignore[var-annotated]
        self.token = running.tokens.sign(subject, claims={"org": org})
        self.headers = {"authorization": f"Bearer {self.token}"}
        self.client = Client(running.socket_url).greet({"token": self.token})
        self.live: set[str] = set()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        try:
            while True:
                self.told.append(json.dumps(self.client.hear(60), ensure_ascii=False))
        except (Ended, TimeoutError, OSError):
            return

    def leaks(self, text: str) -> list[tuple[str, str]]:
        """Marks that are not for this person; a diary's only for its author."""
        return [found for found in MARK.findall(text) if found[0] != self.org or ("iary" in text and found[1] != self.subject)]

    def close(self) -> None:
        self.client.close()
        self.reader.join(10)


class Mischief:
    """Random requests of random people; `seen` are tokens and cursors of everybody."""

    def __init__(self, running: bed.Bed, people: list[Person], http: httpx.Client, *, seed: int) -> None:
        self.running, self.people, self.dice = running, people, random.Random(seed)
        self.seen: list[str] = ["acme/note-1@1"]
        self.notes: dict[tuple[str, str], str] = {}  # (org, note) -> author
        self.wrote: dict[tuple[str, str], int] = {}  # (org, author) -> events
        self.answers = self.refused = 0
        self.http = http

    def step(self) -> None:
        person = self.dice.choice(self.people)
        move = self.dice.choice(
            (self.write, self.write, self.tear, self.one, self.many, self.many, self.many, self.tally, self.follow, self.follow)
        )
        move(person)

    def ask(self, person: Person, query: str, **variables: Any) -> Any:
        response = self.http.post(self.running.url, json={"query": query, "variables": variables}, headers=person.headers)
        assert response.status_code == 200, response.text
        text = json.dumps(answer := response.json(), ensure_ascii=False)
        assert not person.leaks(text), (person.org, person.subject, query, variables, text)
        self.refused += "errors" in answer
        self.answers += bool(MARK.search(text))
        assert '"INTERNAL"' not in text, (query, variables, text)
        self.seen += re.findall(r'"(?:token|cursor|endCursor)": "([^"]+)"', text)
        del self.seen[:-60]
        return answer

    def write(self, person: Person) -> None:
        note, other = self.dice.choice(IDS), self.dice.random() < 0.1
        author = self.dice.choice(SUBJECTS) if other else person.subject
        text = mark(person.org, author) + str(self.dice.randrange(3))
        answer = self.ask(person, WRITE, input={"note": note, "author": author, "text": text}, key=self.dice.choice(KEYS))
        if "errors" not in answer:
            assert author == person.subject
            if not answer["data"]["write"]["replayed"]:
                self.notes[person.org, note] = author
                self.wrote[person.org, author] = self.wrote.get((person.org, author), 0) + 1

    def tear(self, person: Person) -> None:
        note = self.dice.choice(IDS)
        if "errors" not in self.ask(person, TEAR, input={"note": note}):
            self.notes.pop((person.org, note), None)

    def after(self) -> str | None:
        return self.dice.choice(self.seen) if self.dice.random() < 0.5 else None

    def where(self) -> dict[str, Any] | None:
        field, org, author = self.dice.choice(("note", "author", "text")), self.dice.choice(ORGS), self.dice.choice(SUBJECTS)
        value = self.dice.choice((self.dice.choice(IDS), org, author, mark(org, author), "«", "", "%", f"{org}/"))
        operator = self.dice.choice(("eq", "ne", "lt", "ge", "startsWith", "contains", "in"))
        leaf: dict[str, Any] = {field: {operator: [value] if operator == "in" else value}}
        return self.dice.choice(
            (
                None,
                leaf,
                {"not": leaf},
                {"or": [leaf, {"not": leaf}]},
                {"or": [{"author": {"ne": "x"}}, leaf]},
                {"or": []},
                {"not": {"and": [leaf]}},
            )
        )

    def one(self, person: Person) -> None:
        self.ask(person, ONE % self.dice.choice(("diary", "board")), note=self.dice.choice(IDS), after=self.after())

    def many(self, person: Person) -> None:
        part = self.dice.choice(("diary", "board"))
        order = [{self.dice.choice(("note", "author", "text")): self.dice.choice(("ASC", "DESC"))}]
        self.ask(
            person,
            MANY % (part.title(), part.title(), part),
            where=self.where(),
            orderBy=self.dice.choice((None, order)),
            first=self.dice.choice((None, 1, 3, 1_000)),
            after=self.after(),
        )

    def tally(self, person: Person) -> None:
        answer = self.ask(person, TALLY, author=self.dice.choice((*SUBJECTS, "acme/ann", "acm", "%")))
        for row in answer["data"]["talliesRows"]["nodes"]:
            assert row["notes"] <= self.wrote.get((person.org, row["author"]), 0)

    def follow(self, person: Person) -> None:
        if person.live and (len(person.live) >= 8 or self.dice.random() < 0.4):
            id = self.dice.choice(sorted(person.live))
            person.live.discard(id)
            person.client.complete(id)
            return
        part = self.dice.choice(("diary", "board"))
        id = f"{part} {self.dice.randrange(10**9)}"  # so that what comes says whose rules hold
        person.live.add(id)
        match self.dice.randrange(3):
            case 0:
                person.client.ask(id, FOLLOW_ONE % part, note=self.dice.choice(IDS), after=self.after())
            case 1:
                person.client.ask(id, FOLLOW_MANY % (part.title(), part), where=self.where(), after=self.after())
            case _:
                person.client.ask(id, FOLLOW_TALLIES)

    def compare(self) -> None:
        """Everybody sees exactly what is theirs."""
        self.running.settle()
        for person in self.people:
            expected = sorted(note for (org, note), _ in self.notes.items() if org == person.org)
            own = sorted(note for (org, note), author in self.notes.items() if (org, author) == (person.org, person.subject))
            for part, wanted in (("board", expected), ("diary", own)):
                answer = self.ask(person, MANY % (part.title(), part.title(), part), first=1_000)
                assert sorted(edge["node"]["note"] for edge in answer["data"][f"{part}Rows"]["edges"]) == wanted


@pytest.fixture
def running() -> Iterator[bed.Bed]:
    with bed.running(app, limits=Limits(wait_s=0.05, connections_per_identity=100)) as gateway:
        yield gateway


@pytest.mark.rounds
def test_fault_44_nobody_is_told_of_another_organisation_or_diary(running: bed.Bed) -> None:
    with ExitStack() as stack:
        people = []
        for org in ORGS:
            for subject in SUBJECTS:
                people.append(Person(running, org, subject))
                stack.callback(people[-1].close)
        mischief = Mischief(running, people, stack.enter_context(httpx.Client(timeout=30)), seed=44)
        for _ in range(rounds(5_000)):
            mischief.step()
        mischief.compare()
        assert mischief.answers > 50 and mischief.refused > 20
        stack.close()
        told = 0
        for person in people:
            for text in person.told:
                kept_to = json.loads(text)
                assert not person.leaks(text), (person.org, person.subject, text)
                told += kept_to.get("type") == "next" and bool(MARK.search(text))
        assert told > 50


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"org": ""},
        {"org": None},
        {"org": ["acme"]},
        {"org": {"acme": 1}},
        {"org": 1},
        {"org": True},
        {"org": "acme/note-1"},
        {"org": "/"},
        {"org": "acme\x00"},
    ],
)
def test_fault_44_without_a_usable_organisation_nothing_is_told(running: bed.Bed, claims: dict[str, Any]) -> None:
    headers = {"authorization": f"Bearer {running.tokens.sign('ann', claims={'org': 'acme'})}"}
    written = {"query": WRITE, "variables": {"input": {"note": "1", "author": "ann", "text": mark("acme", "ann")}}}
    assert httpx.post(running.url, json=written, headers=headers).json()["data"]
    running.settle()
    token = running.tokens.sign("ann", claims=claims)
    for query in ("{ boardRows { nodes { text } } }", '{ board(note: "1") { text } }', "{ talliesRows { nodes { author } } }"):
        answer = httpx.post(
            running.url, json={"query": query}, headers={"authorization": f"Bearer {token}", "tenant": "acme", "org": "acme"}
        )
        assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN" and "«" not in answer.text
    with Client(running.socket_url, headers={"tenant": "acme"}) as client:
        client.greet({"token": token, "org": "acme", "tenant": "acme"})
        client.ask("1", FOLLOW_MANY % ("Board", "board"))
        assert client.hear()["payload"][0]["extensions"]["code"] == "FORBIDDEN"


def test_fault_44_a_token_of_another_organisation_is_no_way_to_watch_its_streams(running: bed.Bed) -> None:
    headers = {org: {"authorization": f"Bearer {running.tokens.sign('ann', claims={'org': org})}"} for org in ("acme", "acm")}
    sent = httpx.post(
        running.url,
        json={"query": WRITE, "variables": {"input": {"note": "1", "author": "ann", "text": "x"}}},
        headers=headers["acme"],
    ).json()["data"]["write"]["token"]
    running.settle()
    answers = set()
    for token in (sent, "acme/note-1@99", "acme/note-404@1", "note-1@1", "/note-1@1", "acm@1"):
        answer = httpx.post(
            running.url, json={"query": ONE % "board", "variables": {"note": "1", "after": token}}, headers=headers["acm"]
        ).json()
        [error] = answer["errors"]
        assert error["extensions"]["code"] == "BAD_INPUT" and "extensions" not in answer
        answers.add(error["message"])
    assert len(answers) == 1  # whether it exists makes no difference


def test_fault_44_one_key_is_many_keys_in_many_organisations(running: bed.Bed) -> None:
    tokens = set()
    for org in ORGS:
        headers = {"authorization": f"Bearer {running.tokens.sign('ann', claims={'org': org})}"}
        body = {"query": WRITE, "variables": {"input": {"note": "1", "author": "ann", "text": mark(org, "ann")}, "key": "same"}}
        for replayed in (False, True):
            sent = httpx.post(running.url, json=body, headers=headers).json()["data"]["write"]
            assert sent["replayed"] is replayed
            tokens.add(sent["token"])
    assert tokens == {f"{org}/note-1@1" for org in ORGS}
