"""What an app refuses when it is built, each with the part, the field and the way out; and how it names streams and groups."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, final

import msgspec
import pytest
from msgspec import Struct, field

from runtime.domain import (
    After,
    Aggregation,
    App,
    Command,
    Count,
    Decider,
    End,
    Event,
    Measures,
    Projection,
    Saga,
    Upcast,
    Window,
    anyone,
    expose,
    send,
)
from runtime.errors import Malformed, Misconfigured
from tests.domain.library import (
    NOON,
    Account,
    Book,
    BookEvent,
    GiveBack,
    Lend,
    Lent,
    Remind,
    Reminded,
    Reminding,
    Taken,
    accounts,
    app,
    books,
    evolve_book,
    loans,
    measure_loan,
    readers,
    remind,
    reminding,
    track_loan,
)


def refused(text: str, *parts: Any, **how: Any) -> None:
    """The app cannot be built of these parts, or its parts not be compiled, and says so."""
    with pytest.raises(Misconfigured, match=text):
        _ = App("library", parts=parts, **how).groups


# names
@pytest.mark.parametrize("name", ["", "Library", "my app", "1st", "x" * 41])
def test_the_name_of_an_app_is_a_lower_case_identifier(name: str) -> None:
    with pytest.raises(Misconfigured, match="lower-case identifier of at most 40"):
        App(name, parts=(books,))


def test_the_name_of_a_part_is_a_lower_case_identifier_of_its_own() -> None:
    refused("part 'Books': the name is a lower-case identifier", msgspec.structs.replace(books, name="Books", id="book"))
    refused("part 'loans' is there twice", books, loans, loans)


# messages
class NotFinal(Event):
    """Forgot its @final."""

    book: str


@final
class NoBook(Event):
    """Has no field that finds its stream."""

    reader: str


@final
class Twin(Event, tag="Lent"):
    """Another class with a tag that is taken."""

    reader: str


@final
class Torn(Event):
    """Ids that cannot name a stream, and keys that cannot be keys."""

    book: str | None
    price: Decimal
    pages: list[str]
    at: datetime
    day: date
    maybe: datetime | None = None


@final
class Tear(Command):
    """Makes it."""

    book: str


def decide_torn(command: Tear, state: int) -> Iterator[Torn]:
    """Never called."""
    yield from ()


def evolve_torn(state: int, event: Torn) -> int:
    """Never called."""
    return state


torn = Decider("book", 0, decide_torn, evolve_torn)


def test_a_message_class_is_marked_final() -> None:
    def evolve(state: int, event: NotFinal) -> int:
        return state

    refused("NotFinal: mark the message class with @final", Decider("book", 0, decide_torn, evolve))


def test_a_message_has_the_field_that_finds_its_stream() -> None:
    def evolve(state: int, event: NoBook) -> int:
        return state

    refused("decider 'book' needs a field 'book' that NoBook does not have", Decider("book", 0, decide_torn, evolve))


def test_a_stream_is_named_by_text_an_integer_or_a_date() -> None:
    refused(r"decider 'book': Torn.book names the stream: make it text, int or date", torn)


def test_a_message_belongs_to_one_decider_and_a_tag_to_one_class() -> None:
    refused("Lend belongs to 'book' and 'other': one only", books, msgspec.structs.replace(books, name="other", id="book"))

    def evolve(state: int, event: Twin) -> int:
        return state

    def decide(command: Remind, state: int) -> Iterator[Twin]:
        yield from ()

    refused("two message classes share the tag 'Lent'", books, Decider("reader", 0, decide, evolve))


def test_parameters_are_annotated_with_the_messages_they_take() -> None:
    def no_hint(command, state):  # type: ignore[no-untyped-def]
        return ()

    def events(command: Lent, state: Book) -> Iterator[BookEvent]:
        yield from ()

    def any_command(command: Command, state: Book) -> Iterator[BookEvent]:
        yield from ()

    def generic(command: list[Lend], state: Book) -> Iterator[BookEvent]:
        yield from ()

    def one() -> None: ...

    for decide, text in (
        (no_hint, "annotate parameter 1 with the commands it takes"),
        (one, "annotate parameter 1 with the commands it takes"),
        (events, "parameter 'command' takes Lent, which is not one of the Commands"),
        (any_command, "parameter 'command' takes Command, which is not one of the Commands"),
        (generic, "parameter 'command' names no command class"),
    ):
        refused(text, Decider("book", Book(), decide, evolve_book))  # type: ignore[arg-type]


def test_functions_are_plain_and_their_annotations_can_be_resolved() -> None:
    def lost(command: "Nowhere", state: Book) -> Iterator[BookEvent]:  # type: ignore[name-defined]  # noqa: F821
        yield from ()

    refused("its annotations cannot be resolved .*Nowhere", Decider("book", Book(), lost, evolve_book))
    refused("is not a plain function", Decider("book", Book(), print, evolve_book))  # type: ignore[arg-type]


def test_snapshots_are_kept_every_so_many_events_or_never() -> None:
    refused("snapshot_every is -1; 0 is never", msgspec.structs.replace(books, snapshot_every=-1))


# projections
def test_a_projection_finds_its_row_by_fields_that_event_and_row_have() -> None:
    refused("projection 'loans' needs a field 'isbn' that Lent does not have", books, msgspec.structs.replace(loans, key="isbn"))
    refused(
        "projection 'loans': the row needs a field 'at' that Loan does not have", books, msgspec.structs.replace(loans, key="at", many=True)
    )
    refused("projection 'loans': key names no field", books, msgspec.structs.replace(loans, key=()))


def test_a_key_is_of_one_kind_in_all_events_and_in_the_row() -> None:
    class Numbered(Struct):
        book: int

    def show(row: Numbered | None, event: BookEvent) -> Numbered | None:
        return row

    refused("key 'book' is int in the row and another kind in the events", books, Projection("loans", "book", Numbered, show))

    @final
    class Moved(Event):
        book: int

    def measure(event: Lent | Moved) -> Taken | None:
        return None

    refused("aggregation 'moves': 'book' is text in one event and int in Moved", books, Aggregation("moves", "book", measure))


@pytest.mark.parametrize("key", ["price", "pages"])
def test_a_key_is_nothing_that_can_be_equal_and_look_different(key: str) -> None:
    def measure(event: Torn) -> Taken | None:
        return None

    refused(f"Torn.{key} cannot be a key", books, Aggregation("tears", key, measure))


def test_a_part_that_several_streams_feed_says_so() -> None:
    refused("'accounts' is fed by several streams: say many=True", books, msgspec.structs.replace(accounts, many=False))

    def track(state: Reminding, event: Lent | Reminded) -> Reminding:
        return state

    def react(state: Reminding, event: Lent | Reminded) -> Iterator[Remind]:
        yield from ()

    refused("'both' is fed by several streams", books, readers, Saga("both", "book", Reminding(), track, react, many=False))


def test_a_part_takes_events_of_its_app_only() -> None:
    refused("'loans' names Lent, which no decider of app 'library' has", readers, loans)


def test_a_group_has_a_name_of_its_own() -> None:
    for group in ("book", "Rows", ""):
        refused(f"group {group!r} is not a free lower-case identifier", books, msgspec.structs.replace(loans, group=group))
    refused("group 'reminding' is the name of a saga", books, readers, reminding, msgspec.structs.replace(loans, group="reminding"))


# aggregations
def test_an_aggregation_says_what_it_measures() -> None:
    def nothing(event: Lent): ...  # type: ignore[no-untyped-def]

    def bare(event: Lent) -> Measures:
        return Measures()

    for measure in (nothing, bare):
        refused("annotate what measure returns with one Measures class", books, Aggregation("taken", "reader", measure))


def test_every_measure_is_a_monoid() -> None:
    class Weird(Measures):
        price: float

    def measure(event: Lent) -> Weird:
        return Weird(1.0)

    refused(r"Weird.price: declare it as Count, Sum\[int\]", books, Aggregation("taken", "reader", measure))


def test_the_columns_of_an_aggregation_have_different_names() -> None:
    class Named(Measures):
        reader: Count

    def measure(event: Lent) -> Named:
        return Named(1)

    refused("two columns are called 'reader'", books, Aggregation("taken", "reader", measure))
    refused(
        "two columns are called 'reader'", books, Aggregation("taken", ("reader", Window("1 day", on="at", name="reader")), measure_loan)
    )


def test_an_aggregation_has_one_window_over_a_time_that_is_always_there() -> None:
    def measure(event: Torn) -> Taken | None:
        return None

    day, hour = Window("1 day", on="at"), Window("1 hour", on="at", name="hour")
    refused("at most one Window", books, Aggregation("taken", (day, hour), measure_loan))
    refused(
        r"Window\(on='reader'\) needs a datetime or date field", books, Aggregation("taken", Window("1 day", on="reader"), measure_loan)
    )
    refused(r"Window\(on='maybe'\) needs a field that is never None", books, Aggregation("taken", Window("1 day", on="maybe"), measure))
    refused("'day' is a date: a window of '1 hour' needs a datetime", books, Aggregation("taken", Window("1 hour", on="day"), measure))


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ("1 fortnight", "say a count and a unit"),
        ("minute", "say a count and a unit"),
        ("0 minutes", "say a count and a unit"),
        ("² minutes", "say a count and a unit"),
        ("7 minutes", "the size must divide a day"),
        ("25 hours", "the size must divide a day"),
        ("2 days", "calendar windows are 1 day, not 2"),
    ],
)
def test_a_window_has_a_size_that_tiles_the_day(size: str, text: str) -> None:
    with pytest.raises(Misconfigured, match=text):
        Window(size, on="at")


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../etc", "", "Europe"])
def test_a_window_has_a_zone_that_exists(zone: str) -> None:
    with pytest.raises(Misconfigured, match="is not in the time zone database"):
        Window("1 day", on="at", zone=zone)


# sagas
def test_a_saga_takes_the_same_events_in_both_functions_and_says_what_it_sends() -> None:
    def half(state: Reminding, event: Lent) -> Reminding:
        return state

    def unsaid(state: Reminding, event: BookEvent):  # type: ignore[no-untyped-def]
        yield End()

    refused("saga 'reminding': evolve and react take different events", books, Saga("reminding", "book", Reminding(), half, remind))
    refused("annotate what react yields", books, Saga("reminding", "book", Reminding(), track_loan, unsaid))


def test_a_saga_sends_commands_of_its_app() -> None:
    refused("'reminding' names Remind, which no decider of app 'library' has", books, reminding)


def test_a_state_that_cannot_be_stored_is_refused() -> None:
    class One(Struct):
        reader: str = ""

    class Two(Struct):
        reader: str = ""

    def track(state: One | Two, event: BookEvent) -> One | Two:
        return state

    def react(state: One | Two, event: BookEvent) -> Iterator[End]:
        yield End()

    refused("a state of type .* cannot be stored", books, Saga("ending", "book", One(), track, react))


# api and evolution
def test_an_app_shows_only_what_it_has() -> None:
    refused(r"send\(Remind\): no decider of app 'library' takes it", books, api=(send(Remind, allow=anyone),))
    refused(r"expose\('loans'\): the part is not among the parts", books, api=(expose(loans, allow=anyone),))
    for twice in ((expose(loans, allow=anyone),) * 2, (send(Lend, allow=anyone), send(Lend, allow=anyone))):
        refused("is in api twice: one allow= decides", books, loans, api=twice)


@pytest.mark.parametrize("schema", ["apps.shop", ":schema", "apps.shop:", ""])
def test_a_schema_of_ones_own_is_named_by_module_and_name(schema: str) -> None:
    refused("say 'module:name'", books, schema=schema)


def test_a_schema_object_is_for_an_app_without_parts() -> None:
    schema = object()
    assert App("plain", parts=(), schema=schema).schema is schema
    refused("has parts, which run where no GraphQL is: say schema='module:name'", books, schema=schema)


def test_fields_of_ones_own_are_beside_generated_ones_and_not_beside_a_whole_schema() -> None:
    refused("has fields= and schema=", books, fields="apps.shop_fields", schema="apps.shop_fields:schema")


def test_an_upcast_is_for_a_tag_that_is_no_class_any_more_and_is_there_once() -> None:
    refused(r"Upcast\('Lent'\): Lent is still a class of the app", books, upcasts=(Upcast("Lent", dict),))
    refused("two Upcasts share a tag", books, upcasts=(Upcast("Taken", dict), Upcast("Taken", dict)))


# what follows
def test_a_stream_is_category_and_id_with_the_tenant_before_it() -> None:
    assert app.plan_of(Lend).stream(Lend("emma", "ann", NOON)) == "book-emma"
    shared = App("library", parts=(books,), tenant="org")
    stream = shared.plan_of(Lend).stream(Lend("a-b/c", "ann", NOON), "town")
    assert stream == "town/book-a-b/c"
    assert (shared.tenant_of(stream), shared.category_of(stream)) == ("town", "book")
    assert (app.tenant_of("book-a/b-c"), app.category_of("book-a/b-c")) == ("", "book")


def test_a_tenant_that_is_missing_not_wanted_or_could_hide_in_a_name_is_malformed() -> None:
    shared = App("library", parts=(books,), tenant="org")
    for tenant in ("", "a/b"):
        with pytest.raises(Malformed, match=r"needs a tenant \(claim 'org'\) without '/'"):
            shared.stream("book", "emma", tenant)
    with pytest.raises(Malformed, match="app 'library' has no tenants"):
        app.stream("book", "emma", "town")
    with pytest.raises(Malformed, match="the id of 'book' is empty"):
        app.stream("book", "")


def test_a_class_of_another_app_is_malformed() -> None:
    with pytest.raises(Malformed, match="Torn is no message of app 'library'"):
        app.plan_of(Torn)


def test_rows_are_one_group_and_each_saga_is_its_own() -> None:
    assert {name: [table.part for table in group.tables] for name, group in app.groups.items()} == {
        "rows": ["loans", "accounts", "taken"],
        "reminding": ["reminding"],
    }
    assert [group.saga for group in app.groups.values()] == [False, True]
    assert [fold.part.name for fold in app.folds_of("rows")] == ["loans", "accounts", "taken"]


def test_parts_may_be_deployed_in_groups_of_their_own() -> None:
    split = App("library", parts=(books, loans, msgspec.structs.replace(accounts, group="accounting")))
    assert list(split.groups) == ["rows", "accounting"]


def test_the_schema_of_a_group_changes_with_what_its_rows_depend_on_and_with_nothing_else() -> None:
    def schema(*parts: Any, **how: Any) -> str:
        return App("library", parts=(books, readers, *parts), **how).groups["rows"].schema

    def show_otherwise(account: Account | None, event: BookEvent) -> Account | None:
        return Account(event.reader, ("always",))

    before = schema(loans, accounts)
    assert schema(loans, accounts, reminding) == before, "a saga is another group"
    assert App("town", parts=(books, readers, loans, accounts)).groups["rows"].schema == before
    assert schema(loans) != before
    assert schema(loans, msgspec.structs.replace(accounts, evolve=show_otherwise)) != before
    assert schema(loans, accounts, upcasts=(Upcast("Taken", dict),)) != before


def test_what_a_saga_sends_does_not_change_its_schema_since_a_rebuild_never_sends_it_again() -> None:
    def remind_sooner(state: Reminding, event: BookEvent) -> Iterator[Remind | After | End]:
        yield End()

    def schema(saga: Any) -> str:
        return App("library", parts=(books, readers, saga)).groups["reminding"].schema

    assert schema(reminding) == schema(msgspec.structs.replace(reminding, react=remind_sooner, max_tries=3))
    assert schema(reminding) != schema(msgspec.structs.replace(reminding, state=Reminding("somebody")))


def test_a_command_function_compiles_no_fold() -> None:
    fresh = App("library", parts=(books, msgspec.structs.replace(loans, key="isbn")))
    assert fresh.plan_of(GiveBack).decider is books, "what only a projector needs is looked at by a projector"


def test_aliases_annotated_fields_and_defaults_do_not_hide_what_a_column_holds() -> None:
    type Positive = int

    class Wide(Struct, kw_only=True):
        book: str
        loans: Positive = 0
        notes: list[str] = field(default_factory=list)

    def show(row: Wide | None, event: BookEvent) -> Wide | None:
        return Wide(book=event.book, loans=1)

    fold = App("library", parts=(books, Projection("wide", "book", Wide, show))).folds["wide"]
    assert [(column.name, column.kind.value) for column in fold.table.columns] == [("book", "text"), ("loans", "int"), ("notes", "json")]
