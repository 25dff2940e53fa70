"""Whether this host tells OpenTelemetry what it does: TRIMARAN_TELEMETRY=otel; silent otherwise, and then nothing of it is imported.

Only the API is used. An SDK and its exporter are the operator's choice: install one and start the host under
`opentelemetry-instrument`, or configure it in a `sitecustomize`.
"""

import os

from runtime.errors import Misconfigured
from runtime.flow.telemetry import SILENT, OpenTelemetry, Several, Telemetry


def telemetry() -> Telemetry:
    """What the environment asks for."""
    match os.environ.get("TRIMARAN_TELEMETRY", ""):
        case "":
            return SILENT
        case "otel":
            return OpenTelemetry()
        case other:
            raise Misconfigured(f"TRIMARAN_TELEMETRY={other!r}: say otel, or nothing")


def told_to(*told: Telemetry) -> Telemetry:
    """One that tells all of them that listen."""
    listening = [each for each in told if each is not SILENT]
    match listening:
        case []:
            return SILENT
        case [one]:
            return one
        case _:
            return Several(*listening)
