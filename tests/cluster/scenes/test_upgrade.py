"""A new version of a projection is rolled out under load by `pulumi up`: blue/green, no query fails, and the new tables are exact."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from runtime.domain import App
from runtime.ports import Phase
from tests.cluster.scenes.flying import Flying

pytestmark = pytest.mark.cluster

WAS = "    flagged: bool = False\n\n\ndef show_board("
IS = "    flagged: bool = False\n    punctual: bool = False\n\n\ndef show_board("
DID = 'return replace(line, status="arrived", arrived=event.at, arr_delay=event.delay)'
DOES = 'return replace(line, status="arrived", arrived=event.at, arr_delay=event.delay, punctual=event.delay <= 0)'


def newer(tree: Path) -> None:
    """A board that says who was punctual."""
    source = tree / "apps" / "flights.py"
    text = source.read_text()
    assert text.count(WAS) == text.count(DID) == 1
    source.write_text(text.replace(WAS, IS).replace(DID, DOES))


def app_of(tree: Path) -> App:
    """The app as the tree has it."""
    spec = spec_from_file_location("flights_of_a_tree", tree / "apps" / "flights.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    app: App = module.app
    return app


def test_a_projection_is_upgraded_under_load_and_no_query_fails(flying: Flying) -> None:
    deployed = flying.deployed
    version = deployed.bed.version(2, newer)
    with flying.asking() as asking, flying.behind():
        deployed.up(version)
    deployed.app = app_of(version.tree)
    deployed.settle(*deployed.app.groups, timeout_s=120)
    flying.exact()
    assert not asking.failed, asking.failed
    assert not asking.unavailable, asking.unavailable
    with deployed.stores() as (_, rows):
        phases = [(one.number, one.phase) for one in rows.generations("rows")]
    assert phases[-1] == (2, Phase.LIVE), phases
    assert not any(phase is Phase.GREEN for _, phase in phases), phases
