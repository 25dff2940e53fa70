"""The whole stateless gateway with its rows in DynamoDB: follow, push, drop, go on; and nothing is left behind."""

import time
import uuid

import pytest

from providers.aws.connections import DynamoConnections
from providers.aws.dynamo import Dynamo
from providers.aws.signing import Credentials
from tests.gateways import bed
from tests.gateways.test_resume import View
from tests.live.protocol import probe
from tests.servers.dynamodb import running


@pytest.mark.long
def test_a_live_view_goes_on_through_drops_on_dynamodb() -> None:
    with running() as url:
        connections = DynamoConnections(
            Dynamo(url, "eu-central-1", credentials=lambda: Credentials("AKIDEXAMPLE", "secret")), f"t{uuid.uuid4().hex}"
        )
        connections.ensure()
        with bed.running("apigateway", probe.plain, delay_s=0.01, connections=connections) as gateway:
            view, sent = View(), 0
            for _ in range(5):
                for _ in range(8):
                    gateway.send(probe.Bump(f"c{sent % 4}", 1))
                    sent += 1
                view.follow(gateway.url, time.monotonic() + 1.5)
            gateway.settle()
            until = time.monotonic() + 60
            while {key: value for key, (_, value) in view.rows.items()} != {f"c{number}": 10 for number in range(4)}:
                assert time.monotonic() < until, view.rows
                view.follow(gateway.url, time.monotonic() + 1.5)
            assert (view.doubled, view.backwards, view.resets) == (0, 0, 1)
            assert gateway.service.failures == 0
            while any(connections.count()[kind] for kind in ("connections", "operations", "followers")):
                assert time.monotonic() < until, connections.count()
                time.sleep(0.2)
        connections.close()
