"""`pulumi-language-python`: the part of Pulumi's Python language host that preview, up, refresh and destroy use.

No registry serves the real one. Every run of a program is a fresh child process (`exec`), which is what the real host does. The Python that
runs this file runs the program, or that of the option `virtualenv` of Pulumi.yaml.
"""

import asyncio
import json
import logging
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent import futures
from importlib import metadata
from pathlib import Path
from typing import Any

import grpc
import pulumi
from google.protobuf import empty_pb2
from pulumi import runtime
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from tests.engine.plugins import leave_with_parent, serve

SHOWN = 32  # exit status: the error was already shown to the user through the engine
RUN = "TRIMARAN_LANGUAGE_HOST_RUN"
children: set[subprocess.Popen[bytes]] = set()


def leave(status: int) -> None:
    """End at once, and the programs with it."""
    for child in list(children):
        child.terminate()
    os._exit(status)


def execute() -> int:
    """In the child: run one program against the resource monitor that the environment names; its exit status."""
    leave_with_parent(os._exit)
    told = json.loads(os.environ.pop(RUN))
    runtime.set_all_config(told["config"], told["secrets"])
    runtime.configure(runtime.Settings(**told["settings"]))
    sys.argv = [told["program"], *told["arguments"]]
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(futures.ThreadPoolExecutor(max(told["settings"]["parallel"], 1) * 4))
    try:
        loop.run_until_complete(runtime.run_in_stack(lambda: _run(told["program"])))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return SHOWN
    except Exception:  # noqa: BLE001 - whatever a program does wrong is shown, as the real host shows it
        pulumi.log.error(f"Program failed with an unhandled exception:\n{traceback.format_exc()}")
        return SHOWN
    return 0


def _run(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def packages() -> Iterator[plugin_pb2.PackageDependency]:
    """The plugins that the installed SDKs ask for, of those that are there: the engine can fetch none here."""
    there = {path.name for path in Path(os.environ["PULUMI_HOME"], "plugins").glob("resource-*")}
    for distribution in metadata.distributions():
        for file in distribution.files or ():
            if file.name == "pulumi-plugin.json" and len(file.parts) == 2:
                told = json.loads(Path(str(distribution.locate_file(file))).read_text())
                version = f"v{told.get('version', distribution.version)}"
                if told.get("resource") and f"resource-{told['name']}-{version}" in there:
                    yield plugin_pb2.PackageDependency(name=told["name"], kind="resource", version=version)


def python(info: language_pb2.ProgramInfo) -> str:
    """The interpreter of a program."""
    venv = dict(info.options).get("virtualenv")
    return str(Path(info.root_directory, str(venv), "bin/python")) if venv else sys.executable


def environment(request: language_pb2.RunRequest, engine: str) -> dict[str, str]:
    """What the child reads: configuration never travels in arguments, which everybody on a machine can read."""
    settings: dict[str, Any] = {
        "monitor": request.monitor_address,
        "engine": engine,
        "project": request.project,
        "stack": request.stack,
        "parallel": request.parallel,
        "dry_run": request.dryRun,
        "organization": request.organization or "organization",
        "root_directory": request.info.root_directory,
    }
    told = {
        "settings": settings,
        "config": dict(request.config),
        "secrets": list(request.configSecretKeys),
        "program": str(Path(request.info.program_directory, request.info.entry_point)),
        "arguments": list(request.args),
    }
    return {**os.environ, RUN: json.dumps(told)}


class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers the engine; methods are named by the protocol."""

    def __init__(self, engine: str) -> None:
        self._engine = engine

    def Handshake(self, request: Any, context: Any) -> Any:
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def About(self, request: Any, context: Any) -> Any:
        return language_pb2.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        return language_pb2.GetRequiredPackagesResponse(packages=list(packages()))

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        found = [language_pb2.DependencyInfo(name=each.name, version=each.version) for each in metadata.distributions()]
        return language_pb2.GetProgramDependenciesResponse(dependencies=found)

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:
        return language_pb2.RuntimeOptionsResponse()

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
        return iter(())

    def Run(self, request: Any, context: Any) -> Any:
        words = [python(request.info), "-m", "tests.engine.language_host", "exec"]
        child = subprocess.Popen(words, env=environment(request, self._engine), cwd=request.pwd, stdin=subprocess.DEVNULL)
        children.add(child)
        status = child.wait()
        children.discard(child)
        said = "" if status in (0, SHOWN) else f"program exited with status {status}"
        return language_pb2.RunResponse(bail=status == SHOWN, error=said)

    def Cancel(self, request: Any, context: Any) -> Any:
        for child in list(children):
            child.terminate()
        return empty_pb2.Empty()


def register(server: grpc.Server) -> None:
    """The engine's address is the last word that is no option."""
    engine = [word for word in sys.argv[1:] if not word.startswith("-")][-1]
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(engine), server)


if __name__ == "__main__":
    if sys.argv[1:] == ["exec"]:
        sys.exit(execute())
    serve(register, leave)
