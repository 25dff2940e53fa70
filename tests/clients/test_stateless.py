"""npm's graphql-ws and Apollo Client on stateless functions, behind Amazon's and Azure's socket services: the same day, all over the socket.

Those services cannot send a 44xx close code and would make the clients come back in a hot loop; a frame that says so ends them at once.
"""

from pathlib import Path

import pytest

from tests.clients.stories import check, story
from tests.gateways import bed


@pytest.mark.parametrize(
    ("client", "service"),
    [
        ("graphql-ws", "apigateway"),
        pytest.param("apollo", "webpubsub", marks=pytest.mark.long),
        pytest.param("graphql-ws", "webpubsub", marks=pytest.mark.long),
        pytest.param("apollo", "apigateway", marks=pytest.mark.long),
    ],
)
def test_a_client_lives_the_same_day_on_functions(client: str, service: str, tmp_path: Path) -> None:
    with bed.running(service, delay_s=0.01) as gateway:
        report = story(client, gateway.url, gateway.tokens.sign("ann"), tmp_path, HTTP="0")
    check(report)
    refused = report["refusals"]["garbled"]
    assert refused["connections"] == 1
    assert "4403: Forbidden" in refused["told"]["message"]
