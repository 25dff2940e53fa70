"""The network of services as a program, `python -m tests.cluster.services WORK`: an address and a forwarder for each, as kube-proxy's rules.

A Service gets a loopback address for ever and listens there on its ports; each connection goes to the next Ready pod that its
selector names. Without a Ready pod nobody listens, so that a connection is refused. ExternalName passes through: the name
stands for whatever address its target has. Names are written into the hosts file of every namespace.
"""

import asyncio
import contextlib
import itertools
import json
import socket
import sys
import threading
from pathlib import Path

import uvloop

from tests.cluster import addresses
from tests.cluster.api import Api, Object, Refused
from tests.cluster.names import add, hosts_file, spelled

CHUNK = 65536


class Port:
    """One port of a service: listens while there is a Ready pod, and forwards to them in turn."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port
        self._targets: list[tuple[str, int]] = []
        self._turns = itertools.count()
        self._server: asyncio.Server | None = None

    async def serve(self, targets: list[tuple[str, int]]) -> None:
        """From now on forward to these."""
        self._targets = targets
        if targets and self._server is None:
            self._server = await asyncio.start_server(self._accept, self._address, self._port)
        if not targets and self._server is not None:
            self._server.close()  # connections that are there stay
            self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target = self._targets[next(self._turns) % len(self._targets)]
            inner_reader, inner_writer = await asyncio.wait_for(asyncio.open_connection(*target), 5)
        except (OSError, TimeoutError, ZeroDivisionError):
            writer.transport.abort()
            return
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, inner_writer))
                both.create_task(_copy(inner_reader, writer))
        except* OSError:  # one end was reset: so is the other
            writer.transport.abort()
            inner_writer.transport.abort()
        finally:
            writer.close()
            inner_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What comes goes out, until no more comes; the other direction goes on."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


class Services:
    """All services of the cluster, kept as the API server says."""

    def __init__(self, work: Path, block: int) -> None:
        self._work, self._block = work, block
        self._addresses: dict[tuple[str, str], str] = {}
        self._spoken: set[tuple[str, str, str]] = set()  # namespace of the file, namespace, service
        self._ports: dict[tuple[str, int], Port] = {}
        self._things: dict[str, dict[str, Object]] = {"Namespace": {}, "Service": {}, "Pod": {}}
        self.changed = asyncio.Event()

    def met(self, kind: str, change: str, thing: Object) -> None:
        """A namespace, service or pod is there, has changed or is gone."""
        if change == "DELETED":
            self._things[kind].pop(thing["metadata"]["uid"], None)
        elif change != "LISTED":
            self._things[kind][thing["metadata"]["uid"]] = thing
        self.changed.set()

    async def keep(self) -> None:
        """Bring names and forwarders up to what is known, whenever it changes."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            wanted: dict[tuple[str, int], list[tuple[str, int]]] = {}
            for service in self._things["Service"].values():
                address = await self._address(service)
                self._speak(service, address)
                if service["spec"].get("type") != "ExternalName":
                    for port in service["spec"].get("ports") or []:
                        wanted[address, port["port"]] = self._targets(service, port)
            for key in {*self._ports, *wanted}:
                port_there = self._ports.setdefault(key, Port(*key))
                await port_there.serve(wanted.get(key, []))

    async def _address(self, service: Object) -> str:
        key = service["metadata"]["namespace"], service["metadata"]["name"]
        if key not in self._addresses:
            own = addresses.service(self._block, len(self._addresses))
            self._addresses[key] = own
            if service["spec"].get("type") == "ExternalName":
                with contextlib.suppress(OSError):  # an unknown name stays an address where nobody listens
                    self._addresses[key] = await asyncio.to_thread(socket.gethostbyname, service["spec"]["externalName"])
        return self._addresses[key]

    def _speak(self, service: Object, address: str) -> None:
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        for other in self._things["Namespace"].values():
            listener = other["metadata"]["name"]
            if (listener, namespace, name) not in self._spoken:
                self._spoken.add((listener, namespace, name))
                short = [name] if listener == namespace else []
                add(hosts_file(self._work, listener), address, [*spelled(name, namespace), *short])

    def _targets(self, service: Object, port: Object) -> list[tuple[str, int]]:
        selector = service["spec"].get("selector") or {}
        pods = [pod for pod in self._things["Pod"].values() if selector and _serves(pod, service["metadata"]["namespace"], selector)]
        found = [(pod["status"]["podIP"], _number(pod, port)) for pod in pods]
        return sorted((address, number) for address, number in found if number is not None)


def _serves(pod: Object, namespace: str, selector: dict[str, str]) -> bool:
    about = pod["metadata"]
    chosen = about["namespace"] == namespace and selector.items() <= (about.get("labels") or {}).items()
    conditions = pod.get("status", {}).get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return chosen and ready and not about.get("deletionTimestamp") and "podIP" in pod["status"]


def _number(pod: Object, port: Object) -> int | None:
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    named = (each for container in pod["spec"]["containers"] for each in container.get("ports") or [])
    return next((each["containerPort"] for each in named if each.get("name") == target), None)


def _follow(api: Api, kind: str, services: Services, loop: asyncio.AbstractEventLoop) -> None:
    pause = threading.Event()
    while True:
        try:
            for change, thing in api.watch("v1", kind):
                loop.call_soon_threadsafe(services.met, kind, change, thing)
        except (Refused, OSError, ValueError) as error:
            print(f"{kind}: {error}", flush=True)  # noqa: T201 -- this is the program's log
            pause.wait(0.5)


async def main(work: Path) -> None:
    """Run until killed."""
    told = json.loads((work / "services.json").read_text())
    services = Services(work, told["block"])
    loop = asyncio.get_running_loop()
    for kind in ("Namespace", "Service", "Pod"):
        api = Api(Path(told["kubeconfig"]))
        threading.Thread(target=_follow, args=(api, kind, services, loop), daemon=True).start()
    await services.keep()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
