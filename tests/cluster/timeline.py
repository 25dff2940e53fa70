"""Draws a record as an SVG of its own: lag, replicas and events a second above one another on one axis of time, in light and in dark.

`python -m tests.cluster.timeline docs/pictures/cluster.json` writes the picture beside the record.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from tests.cluster.record import Record, Sample, read

WIDTH, LEFT, RIGHT = 960, 64, 16
PANEL, GAP, TOP, BOTTOM = 110, 34, 56, 44
RATE_S = 2.0  # events a second are those of so many seconds
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #57606a } .title { font-size: 15px; font-weight: 600; fill: #1f2328 }
.grid { stroke: #d8dee4 } .axis { stroke: #8c959f } .mark { stroke: #bf3989; stroke-dasharray: 3 3 } .named { fill: #bf3989 }
.lag { fill: #bf870033; stroke: #9a6700 } .desired { fill: none; stroke: #0969da; stroke-width: 2 } .ready { fill: #1a7f3733; stroke: none }
.rate { fill: #8250df33; stroke: #8250df }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 } .title { fill: #f0f6fc } .grid { stroke: #3d444d } .axis { stroke: #656c76 }
  .lag { fill: #d2992233; stroke: #d29922 } .desired { stroke: #4493f8 } .ready { fill: #3fb95040 }
  .rate { fill: #ab7df833; stroke: #ab7df8 } .mark { stroke: #db61a2 } .named { fill: #db61a2 }
}
"""

type Points = list[tuple[float, float]]


def rates(samples: Sequence[Sample]) -> Points:
    """Events folded a second, over the last RATE_S; moments without a count are passed over."""
    known = [(sample.at_s, sample.folded) for sample in samples if sample.folded is not None]
    found: Points = []
    first = 0
    for number, (at_s, folded) in enumerate(known):
        while first < number - 1 and known[first][0] < at_s - RATE_S:
            first += 1
        since_s, before = known[first]
        found.append((at_s, max(0.0, (folded - before) / (at_s - since_s)) if at_s > since_s else 0.0))
    return found


def steps(points: Points) -> Points:
    """A value holds until the next one."""
    found: Points = []
    for at, value in points:
        if found:
            found.append((at, found[-1][1]))
        found.append((at, value))
    return found


def nice(most: float) -> list[float]:
    """Three to six round numbers from 0 to at least `most`."""
    size = 10 ** (len(str(max(int(most), 1))) - 1)
    step = next(step for step in (size / 5, size / 2, size, 2 * size) if most / step <= 5)
    step = max(step, 1)
    return [step * number for number in range(int(-(-most // step)) + 1)] if most else [0, 1]


class Panel:
    """One of the three, with its own height; times are shared."""

    def __init__(self, title: str, top: float, seconds: float, most: float) -> None:
        self._title, self._top, self._seconds = title, top, seconds
        self._ticks = nice(most)

    def x(self, at_s: float) -> float:
        """Where a time is."""
        return LEFT + (WIDTH - LEFT - RIGHT) * at_s / self._seconds

    def y(self, value: float) -> float:
        """Where a value is."""
        return self._top + PANEL * (1 - value / self._ticks[-1])

    def frame(self) -> Iterator[str]:
        """Title, lines, numbers."""
        yield f'<text class="title" x="{LEFT}" y="{self._top - 8:.0f}">{escape(self._title)}</text>'
        for tick in self._ticks:
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.y(tick):.1f}" y2="{self.y(tick):.1f}"/>'
            yield f'<text x="{LEFT - 8}" y="{self.y(tick) + 4:.1f}" text-anchor="end">{tick:,.0f}</text>'

    def area(self, points: Points, kind: str) -> str:
        """A filled line down to zero."""
        ends = [(points[0][0], 0.0), *points, (points[-1][0], 0.0)]
        return f'<polygon class="{kind}" points="{self._said(ends)}"/>'

    def line(self, points: Points, kind: str) -> str:
        """A line."""
        return f'<polyline class="{kind}" points="{self._said(points)}"/>'

    def _said(self, points: Points) -> str:
        return " ".join(f"{self.x(at):.1f},{self.y(value):.1f}" for at, value in points)


def drawn(record: Record) -> str:
    """The picture. Raises `ValueError` for a record without a sample of lag."""
    lag = [(one.at_s, float(sum(one.lag))) for one in record.samples if one.lag is not None]
    rate = rates(record.samples)
    if not lag or not rate:
        raise ValueError("nothing was recorded")
    desired = steps([(one.at_s, float(one.desired)) for one in record.samples])
    ready = steps([(one.at_s, float(one.ready)) for one in record.samples])
    seconds = record.samples[-1].at_s
    tops = [TOP + number * (PANEL + GAP) for number in range(3)]
    panels = [
        Panel("events behind", tops[0], seconds, max(value for _, value in lag)),
        Panel("projectors: wanted (line), ready (filled)", tops[1], seconds, max(value for _, value in [*desired, *ready])),
        Panel("events folded a second", tops[2], seconds, max(value for _, value in rate)),
    ]
    height = tops[-1] + PANEL + BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(_told(record))}">']
    parts.append(f"<style>{STYLE}</style>")
    for panel in panels:
        parts += panel.frame()
    parts += [panels[0].area(lag, "lag"), panels[1].area(ready, "ready"), panels[1].line(desired, "desired"), panels[2].area(rate, "rate")]
    parts += _times(panels[2], seconds, tops[-1] + PANEL)
    parts += _marks(record, panels[0], tops[-1] + PANEL)
    return "\n".join([*parts, "</svg>", ""])


def _told(record: Record) -> str:
    return f"{record.app}, group {record.group}: {' to '.join(map(str, record.steps()))} projectors in {record.samples[-1].at_s:.0f} s"


def _times(panel: Panel, seconds: float, bottom: float) -> Iterator[str]:
    yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'
    for tick in nice(seconds):
        if tick <= seconds:
            yield f'<text x="{panel.x(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{tick:.0f} s</text>'


def _marks(record: Record, panel: Panel, bottom: float) -> Iterator[str]:
    """Each at a height of its own, in turn, so that neighbours can be read."""
    for number, (at_s, text) in enumerate(record.marks):
        x, high = panel.x(at_s), 14 + 12 * (number % 2)
        side = "end" if x > WIDTH * 0.75 else "start"
        yield f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{high + 3}" y2="{bottom}"/>'
        yield f'<text class="named" x="{x + (-4 if side == "end" else 4):.1f}" y="{high}" text-anchor="{side}">{escape(text)}</text>'


def draw(path: Path) -> Path:
    """Draw the record in a file; the picture's path."""
    picture = path.with_suffix(".svg")
    picture.write_text(drawn(read(path)))
    return picture


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
