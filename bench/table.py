"""All lines, run by name: a table for people, one JSON object for scripts, progress on stderr.

Exit codes: 0 every measured line reaches its goal, 1 one misses it, 2 one could not be measured (its reason is printed).
"""

import sys
from collections.abc import Sequence
from importlib import import_module

import msgspec

from bench.measure import Line, Result, Sample, result, rounds_of
from bench.missing import Missing

WIDTH = 160  # of a table in a file
MODULES = (
    "sqlite_lines",
    "postgres_lines",
    "project_lines",
    "cold_lines",
    "kafka_lines",
    "latency_lines",
    "year_lines",
    "gateway_lines",
    "studio_lines",
    "cluster_lines",
)


def all_lines() -> dict[str, Line]:
    """Every line by name, in the table's order."""
    return {line.name: line for module in MODULES for line in import_module(f"bench.{module}").LINES}


def run(names: Sequence[str] | None = None, rounds: int = 5, json: bool = False) -> int:
    """Measure these lines (None: all) and print them; a name that is no line's but begins some (`gateway`) takes them all, as `gateway-*`."""
    from bench import servers

    known = all_lines()
    wanted, unknown = _chosen(known, names)
    if unknown:
        print(f"no such line: {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    results: list[Result] = []
    unmeasured: dict[str, str] = {}
    try:
        for line in wanted:
            try:
                results.append(_measure(line, rounds))
            except Missing as error:
                unmeasured[line.name] = str(error)
                print(f"{line.name}: not measured: {error}", file=sys.stderr)
    finally:
        servers.stop()
    if json:
        print(as_json(results, unmeasured))
    else:
        _print_table(results)
    if unmeasured:
        return 2
    return 0 if all(each.met for each in results) else 1


def _chosen(known: dict[str, Line], names: Sequence[str] | None) -> tuple[list[Line], list[str]]:
    if not names:
        return list(known.values()), []
    chosen: dict[str, Line] = {}
    unknown = []
    for name in names:
        group = name[:-1] if name.endswith("*") else f"{name}-"
        found = [name] if name in known else [each for each in known if each.startswith(group)]
        if not found:
            unknown.append(name)
        chosen.update((each, known[each]) for each in found)
    return list(chosen.values()), unknown


def _measure(line: Line, rounds: int) -> Result:
    samples: list[Sample] = []
    for sample in rounds_of(line, rounds):
        samples.append(sample)
        print(f"{line.name} round {len(samples)}: {sample.ratio:.3f}", file=sys.stderr, flush=True)
    return result(line, samples)


def as_json(results: Sequence[Result], unmeasured: dict[str, str]) -> str:
    """One line of JSON: `lines`, and `unmeasured` with the reasons where there are any."""
    told: dict[str, object] = {"lines": results}
    if unmeasured:
        told["unmeasured"] = unmeasured
    return msgspec.json.encode(told).decode()


def _print_table(results: Sequence[Result]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("line", "peer", "ratio", "low", "high", "goal", "", "ours", "peer's", "unit", title="Trimaran against its peers")
    for each in results:
        sign = "≥" if each.better == "higher" else "≤"
        verdict = "[green]met" if each.met else "[red]missed"
        ratios = [f"{number:.2f}" for number in (each.ratio, each.low, each.high)]
        peer_value = "" if each.peer_value is None else f"{each.peer_value:,.5g}"
        table.add_row(each.line, each.peer, *ratios, f"{sign} {each.goal:g}", verdict, f"{each.value:,.5g}", peer_value, each.unit)
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)
