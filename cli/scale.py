"""`trimaran scale`: what KEDA and the autoscaler would do with a workload, before there is a cluster."""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import Json, guarded

if TYPE_CHECKING:
    from costs.scaling.simulate import Moment, Result
    from costs.scaling.workload import Workload

scaling = typer.Typer(help="How many projectors a workload wakes, and when.", no_args_is_help=True)

CHANGES_SHOWN = 40
WIDTH = 72
BARS = " ▁▂▃▄▅▆▇█"
FILE_MAX = 64 * 1024 * 1024


@scaling.callback()
def scale() -> None:
    """How many projectors a workload wakes, and when."""


@scaling.command()
def simulate(
    workload: Annotated[str, typer.Option("--workload", help="TOML or JSON, see docs/scaling.md", show_default=False)],
    json: Json = False,
) -> None:
    """Replicas over time, lag, age of the oldest event and pod-hours, by KEDA's and the autoscaler's arithmetic."""

    def work() -> None:
        show(workload, json=json)

    guarded(work)


def show(path: str, *, json: bool) -> None:
    """Simulate the file and print what came out."""
    from cli.output import as_json, remark
    from costs.scaling.compare import fitted

    result, apart = fitted(read(path))
    if json:
        as_json(data(result, apart))
        return
    _print(result, apart)
    for note in result.notes:
        remark(f"note: {note}")


def read(path: str) -> "Workload":
    """The workload in a file. `Misconfigured` names the file, the field, the limit and the way out."""
    from costs.errors import Unusable
    from costs.scaling.workload import parse
    from runtime.errors import Misconfigured

    try:
        if Path(path).stat().st_size > FILE_MAX:
            raise Misconfigured(f"{path} is larger than {FILE_MAX // 2**20} MiB: sample the time line more coarsely")
        return parse(Path(path).read_bytes().decode(), path)
    except OSError as error:
        raise Misconfigured(f"--workload {path}: {error.strerror}: name a TOML or JSON file, such as docs/workloads/flights.toml") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"--workload {path}: is no UTF-8: name a TOML or JSON file") from None
    except Unusable as error:
        raise Misconfigured(f"--workload {path}: {error}") from None


def data(result: "Result", apart: float | None) -> dict[str, Any]:
    """The JSON shape: one object, with lists of named fields."""
    from msgspec.structs import asdict

    return {
        **{name: value for name, value in asdict(result).items() if name not in ("changes", "moments", "freshness")},
        "freshness": result.freshness._asdict() if result.freshness else None,
        "apart_s": apart,
        "changes": [change._asdict() for change in result.changes],
        "moments": [moment._asdict() for moment in result.moments],
    }


def _print(result: "Result", apart: float | None) -> None:
    from cli.output import say, table

    table(["what", "value"], [[name, value] for name, value in summary(result, apart)], title=f"{result.name}: {span(result.seconds)}")
    say()
    for line in chart(result.moments, result.seconds):
        say(line)
    say()
    shown = result.changes[:CHANGES_SHOWN]
    table(["at", "replicas", "by", "lag"], [[span(one.at_s), f"{one.before} → {one.replicas}", one.by, f"{one.lag:,}"] for one in shown])
    if len(result.changes) > len(shown):
        say(f"… and {len(result.changes) - len(shown):,} more changes: --json has them all")


def summary(result: "Result", apart: float | None) -> list[tuple[str, str]]:
    """Lines for people."""
    lines = [
        ("pod-hours", f"{result.pod_hours:.2f}, of which {result.idle_pod_hours:.2f} ready with nothing to do"),
        ("at zero", f"{span(result.at_zero_s)} ({result.at_zero_s / result.seconds:.0%}), woken {result.wakings:,} times"),
        ("replicas", f"at most {result.peak_replicas} of {result.maximum}, {result.partitions} partitions"),
        ("lag", f"at most {result.peak_lag:,} events"),
    ]
    if result.freshness is not None:
        fresh = result.freshness
        lines += [
            ("oldest event", f"at most {span(result.peak_age_s)} old"),
            ("folded after", f"{span(fresh.p50_s)} (half), {span(fresh.p99_s)} (99 %), {span(fresh.max_s)} (all)"),
            ("events", f"{result.arrived:,} arrived, {result.folded:,} folded, {result.waiting:,} wait, {result.skipped:,} skipped"),
        ]
    if apart is not None:
        lines.append(("apart from measured", f"{apart:g} s at most"))
    return lines


def chart(moments: "tuple[Moment, ...]", seconds: int) -> list[str]:
    """Replicas, lag and age as bars over the time, each to its own highest."""
    wide = min(WIDTH, len(moments))
    cuts = [column * len(moments) // wide for column in range(wide + 1)]
    columns = [moments[begin:end] for begin, end in pairwise(cuts)]
    rows = [
        ("replicas", [max(moment.replicas for moment in column) for column in columns]),
        ("lag", [max(moment.lag for moment in column) for column in columns]),
        ("age", [max(moment.age_s for moment in column) for column in columns]),
    ]
    lines = [f"{name:<9}{bars(values)}  ≤ {span(max(values)) if name == 'age' else f'{max(values):,}'}" for name, values in rows]
    return [*lines, f"{'':<9}0{span(seconds):>{max(len(columns) - 1, 1)}}"]


def bars(values: list[int]) -> str:
    """One bar a value; what is more than nothing is seen."""
    highest = max(values) or 1
    return "".join(BARS[-(-value * (len(BARS) - 1) // highest)] for value in values)


def span(seconds: float) -> str:
    """A time for people: 90 s, 1:30 h."""
    if seconds < 600:
        return f"{seconds:g} s"
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02} h"
