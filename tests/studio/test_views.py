"""Every view opens, for every eye and hand: its landmarks, what axe-core says, on a phone, by keyboard, without motion, and how soon."""

import statistics
from collections.abc import Iterator

import pytest

from tests.processes import figures
from tests.studio import bed
from tests.studio.conftest import Story

SHOP = ("flow", "streams", "rows", "charts", "letters", "sagas", "rebuilds", "try")
FLIGHTS = ("flow", "streams", "rows", "board", "charts", "letters", "sagas", "rebuilds", "try")
BYTES_MAX = 200_000
PAINT_MAX_MS = 5_000  # a loaded machine; `trimaran bench studio` holds it to 500


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bed.Bed]:
    """With something on every view: sold, refused, jammed, stuck, waiting."""
    with bed.running(tmp_path_factory.mktemp("harbour")) as running:
        for sku in ("tea", "jam", "anvil"):
            running.send("Restock", sku=sku, quantity=3)
            bed.order(running, sku)
        bed.order(running, "cup")
        bed.until(lambda: running.get("/admin/letters")["letters"], "a letter")
        bed.until(lambda: running.get("/admin/sagas")["counts"]["stuck"], "a stuck saga")
        yield running


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bed.Bed]:
    """A day of flights."""
    with bed.flying(tmp_path_factory.mktemp("flights")) as flying:
        yield flying


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[bed.Bed]:
    """An app that nobody has used yet."""
    with bed.running(tmp_path_factory.mktemp("nothing")) as running:
        yield running


@pytest.mark.long
@pytest.mark.parametrize(
    ("where", "views"),
    [("harbour", SHOP), ("flights", FLIGHTS), ("nothing", SHOP)],
)
def test_every_view_opens_without_an_error_and_axe_finds_nothing(
    where: str, views: tuple[str, ...], story: Story, request: pytest.FixtureRequest
) -> None:
    running: bed.Bed = request.getfixturevalue(where)
    report = story("views.mjs", URL=running.url, VIEWS=" ".join(views))
    assert {key: found for key, found in report["axe"].items() if found} == {}
    assert {key: wide for key, wide in report["wide"].items() if wide > 0} == {}
    name = "flights" if where == "flights" else "harbour"
    assert all(f" · {name} · Trimaran studio" in title for title in report["titles"].values())
    assert len(set(report["titles"].values())) == len(views)
    assert report["landmarks"] == {view: [1, 1, 1, 1] for view in views}


@pytest.mark.long
def test_a_view_says_that_it_loads_and_shows_what_is_there_as_soon_as_it_may(harbour: bed.Bed, story: Story) -> None:
    loading = ("flow", "streams", "rows", "charts", "letters", "sagas", "rebuilds")
    report = story("waiting.mjs", URL=harbour.url, VIEWS=" ".join(loading))
    assert [view for view, said in report["said"].items() if not said.startswith("Loading ")] == []
    assert {view: found for view, found in report["axe"].items() if found} == {}
    assert [view for view, then in report["then"].items() if "Loading " in then] == []
    assert "jam" in report["then"]["letters"]


@pytest.mark.long
def test_everything_is_reached_by_keyboard_shows_that_it_is_and_nothing_moves_for_who_wants_no_motion(
    harbour: bed.Bed, story: Story
) -> None:
    report = story("keyboard.mjs", URL=harbour.url, VIEWS=" ".join(SHOP))
    assert (report["first"], report["skipped"]) == ("Skip to the content", "main")
    assert report["opened"] == list(SHOP)
    assert {view: missed for view, missed in report["missed"].items() if missed} == {}
    assert {view: unseen for view, unseen in report["unseen"].items() if unseen} == {}
    assert {view: moving for view, moving in report["moving"].items() if moving} == {}


@pytest.mark.long
def test_a_first_load_is_small_and_soon_seen(harbour: bed.Bed, story: Story) -> None:
    report = story("paint.mjs", URL=harbour.url)
    median = statistics.median(report["paints"])
    figures.report("studio", first_contentful_paint_ms=median, bytes=max(report["bytes"]), requests=max(report["requests"]))
    assert max(report["bytes"]) <= BYTES_MAX
    assert median <= PAINT_MAX_MS
