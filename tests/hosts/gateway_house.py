"""Gateway processes as a stack starts them, with commands carried out in the same process, on a real PostgreSQL and a real Kafka."""

import json
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.cli.running import started
from tests.hosts.asking import status
from tests.live.issuer import AUDIENCE, ISSUER, Issuer, issuing
from tests.processes.fleet import until
from tests.servers import postgres
from tests.servers.process import free_port

APP = """
from apps import shop
from runtime.domain import App

app = App({name!r}, parts=shop.app.parts, api=shop.app.api, fields="mine_fields")
"""
FIELDS = '''
import asyncio
import time

import graphene


class Query(graphene.ObjectType):
    """What a test needs to happen in a gateway."""

    slow = graphene.Boolean()
    stuck = graphene.Boolean()

    async def resolve_slow(root, info):
        await asyncio.sleep(3)
        return True

    async def resolve_stuck(root, info):
        time.sleep(8)  # on the event loop itself
        return True
'''


class Running(Struct):
    """A gateway process."""

    process: "subprocess.Popen[str]"
    url: str
    probes: int

    @property
    def base(self) -> str:
        """Without /graphql."""
        return self.url.removesuffix("/graphql")


class House:
    """`gateway` starts one more on the same stores."""

    def __init__(self, folder: Path, stores: str, kafka: str, issuer: Issuer, stack: ExitStack) -> None:
        self._folder, self.issuer, self._stack = folder, issuer, stack
        name = f"shop{uuid.uuid4().hex[:12]}"  # a topic of this house alone
        (folder / "mine.py").write_text(APP.format(name=name))
        (folder / "mine_fields.py").write_text(FIELDS)
        self._told = ("--app", "mine:app", "--events", stores, "--rows", stores, "--bus", kafka)
        self.rules = {"TRIMARAN_JWKS": issuer.url, "TRIMARAN_ISSUER": ISSUER, "TRIMARAN_AUDIENCE": AUDIENCE}
        self._start("projector", {})

    def gateway(self, *, signed: bool = True, **more: str) -> Running:
        """On free ports, ready."""
        port = free_port()
        process = self._start("gateway", (self.rules if signed else {}) | {"TRIMARAN_PROBES": str(port)} | more, "--port", "0")
        until(lambda: status(port, "/ready") == 200, 30, "the gateway is ready", 0.05)
        return Running(process, self.line.split()[-1], port)

    def _start(self, module: str, environment: Mapping[str, str], *words: str) -> "subprocess.Popen[str]":
        process = started(self._folder, *self._told, *words, module=f"hosts.{module}", env=dict(environment))
        self._stack.callback(end, process)
        assert process.stdout is not None
        self.line = process.stdout.readline()
        assert self.line.startswith("ready:"), process.communicate(timeout=30)[1]
        return process


@contextmanager
def house(folder: Path, postgres_base: str, kafka_url: str, *, fresh: bool = True) -> Iterator[House]:
    """With a projector of its rows; in a `fresh` database, or in the one that the URL names."""
    with ExitStack() as stack:
        url = stack.enter_context(postgres.database(postgres_base)) if fresh else postgres_base
        issuer = stack.enter_context(issuing())
        yield House(folder, url, kafka_url, issuer, stack)


def end(process: "subprocess.Popen[str]") -> None:
    """Whatever it does; its pipes are closed."""
    if process.poll() is None:
        process.terminate()
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def posted(url: str, body: object, token: str = "", **headers: str) -> tuple[int, Any]:
    """Status and answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named = {"Content-Type": "application/json"} | named | ({"Authorization": f"Bearer {token}"} if token else {})
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, named), timeout=30) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text.startswith(b"{") else text.decode()


@contextmanager
def opened(running: Running, token: str) -> Iterator[ClientConnection]:
    """A client's socket, acknowledged."""
    with connect(running.url.replace("http://", "ws://"), subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
        assert json.loads(socket.recv(30))["type"] == "connection_ack"
        yield socket


def subscribe(socket: ClientConnection, id: str, query: str) -> None:
    """Begin an operation."""
    socket.send(json.dumps({"type": "subscribe", "id": id, "payload": {"query": query}}))
