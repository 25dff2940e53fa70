// A chart as SVG: lines or columns over time, columns or bars of categories; read out under the mouse and by arrow keys.

import { html, number, useEffect, useMemo, useRef, useState } from "./core.js";
import { nearest, thinned, ticks, timeTicks, written } from "./scales.js";

const LEFT = 52;
const RIGHT = 14;
const TOP = 12;
const BOTTOM = 26;
const BAR_PX = 24;

// the width that there is
function useWidth() {
  const here = useRef(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const sized = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    sized.observe(here.current);
    return () => sized.disconnect();
  }, []);
  return [here, width];
}

export const figure = (y, unit) => `${number(y)}${unit ? ` ${unit}` : ""}`;

// A chart that a person moves a cursor in: by mouse, finger and arrow keys. `count` places, `says(place)` is its text.
function Plot({ label, count, says, placeOf, height, children }) {
  const [here, width] = useWidth();
  const [cursor, setCursor] = useState(null);
  const at = cursor === null ? null : Math.min(cursor, count - 1);
  const moved = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    setCursor(count > 0 ? placeOf(event.clientX - box.left, event.clientY - box.top, width) : null);
  };
  const pressed = (event) => {
    const last = count - 1;
    const now = at ?? last;
    const next = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, PageUp: now + 24, PageDown: now - 24, Home: 0, End: last }[event.key];
    if (event.key === "Escape") setCursor(null);
    if (next === undefined || count === 0) return;
    event.preventDefault();
    setCursor(Math.max(0, Math.min(last, next)));
  };
  return html`<div class="chart-plot" ref=${here}>
    <div class="chart-hit" role="slider" tabindex="0" aria-label=${`${label}: arrow keys read its values`} aria-valuemin="0" aria-valuemax=${Math.max(0, count - 1)} aria-valuenow=${at ?? Math.max(0, count - 1)}
      aria-valuetext=${count === 0 ? "no values" : says(at ?? count - 1)} onPointerMove=${moved} onPointerDown=${moved} onPointerLeave=${() => setCursor(null)} onBlur=${() => setCursor(null)} onFocus=${() => count > 0 && cursor === null && setCursor(count - 1)} onKeyDown=${pressed}>
      <svg width=${width || undefined} height=${height} aria-hidden="true">${width > 0 && children(width, at)}</svg>
    </div>
    <p class="chart-read ${at === null ? "quiet" : ""}" aria-hidden="true">${at === null ? " " : says(at)}</p>
  </div>`;
}

function Levels({ marks, yOf, width }) {
  return marks.map((mark) => html`<g class="chart-level" key=${mark}>
    <line class=${mark === 0 ? "chart-zero" : ""} x1=${LEFT} x2=${width - RIGHT} y1=${yOf(mark)} y2=${yOf(mark)} />
    <text x=${LEFT - 8} y=${yOf(mark)} dy="0.32em" text-anchor="end">${number(mark, true)}</text>
  </g>`);
}

// [lowest, highest], with 0 among them
function rangeOf(values) {
  let [low, high] = [0, 0];
  for (const y of values) {
    if (y < low) low = y;
    if (y > high) high = y;
  }
  return high === low ? [low, high + 1] : [low, high];
}

// `series` [{name, points: [[ms, y], …]}]; `stepMs` is a window's length, a gap of more than two breaks a line
export function TimeChart({ label, series, unit, zone, stepMs, isBars = false, height = 260, hasDays = false }) {
  const instants = useMemo(() => [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b), [series]);
  const [from, to] = [instants[0] ?? 0, (instants.at(-1) ?? 1) + (isBars ? stepMs : 0)];
  const span = Math.max(to - from, stepMs);
  const marks = ticks(...rangeOf(isBars ? totals(series, instants) : series.flatMap(({ points }) => points.map(([, y]) => y))), 4);
  const day = useMemo(() => written(zone, hasDays ? { weekday: "short", day: "numeric", month: "short", year: "numeric" } : { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false }), [zone, hasDays]);
  const valueAt = useMemo(() => series.map(({ points }) => new Map(points)), [series]);

  const xOf = (x, width) => LEFT + ((x - from) / span) * (width - LEFT - RIGHT);
  const yOf = (y) => TOP + (1 - (y - marks[0]) / (marks.at(-1) - marks[0])) * (height - TOP - BOTTOM);
  const says = (place) => {
    const told = series.map(({ name }, which) => [name, valueAt[which].get(instants[place])]).filter(([, y]) => y !== undefined);
    return `${day(instants[place])}: ${told.map(([name, y]) => `${name && series.length > 1 ? `${name} ` : ""}${figure(y, unit)}`).join(", ")}`;
  };
  const placeOf = (x, _, width) => nearest(instants.map((each) => [each + (isBars ? stepMs / 2 : 0)]), from + ((x - LEFT) / (width - LEFT - RIGHT)) * span);

  return html`<${Plot} label=${label} count=${instants.length} says=${says} placeOf=${placeOf} height=${height}>
    ${(width, at) => html`
      <${Levels} marks=${marks} yOf=${yOf} width=${width} />
      ${timeTicks(from, from + span, zone, Math.max(2, Math.floor(width / 110))).map(({ at: mark, text }) => html`<g class="chart-time" key=${mark}>
        <line x1=${xOf(mark, width)} x2=${xOf(mark, width)} y1=${height - BOTTOM} y2=${height - BOTTOM + 5} />
        <text x=${xOf(mark, width)} y=${height - 6} text-anchor="middle">${text}</text></g>`)}
      ${isBars ? html`<${Columns} series=${series} xOf=${(x) => xOf(x, width)} yOf=${yOf} stepMs=${stepMs} columns=${width - LEFT - RIGHT} />` : series.map(({ name, points }, which) => html`<${Curve} key=${name} which=${which} points=${thinned(points, width - LEFT - RIGHT)} all=${points} xOf=${(x) => xOf(x, width)} yOf=${yOf} stepMs=${stepMs} />`)}
      ${at !== null && html`<line class="chart-cursor" x1=${xOf(instants[at] + (isBars ? stepMs / 2 : 0), width)} x2=${xOf(instants[at] + (isBars ? stepMs / 2 : 0), width)} y1=${TOP} y2=${height - BOTTOM} />`}
      ${at !== null && !isBars && valueAt.map((values, which) => values.has(instants[at]) && html`<circle class=${`chart-dot chart-${which}`} cx=${xOf(instants[at], width)} cy=${yOf(values.get(instants[at]))} r="4" />`)}
    `}
  <//>`;
}

// of columns that stand on each other
function totals(series, instants) {
  if (series.length <= 1) return series.flatMap(({ points }) => points.map(([, y]) => y));
  const sums = new Map(instants.map((each) => [each, 0]));
  for (const { points } of series) for (const [x, y] of points) sums.set(x, sums.get(x) + y);
  return sums.values();
}

function Curve({ which, points, all, xOf, yOf, stepMs }) {
  const runs = [];
  const isThin = points.length < all.length; // then neighbours are further apart than a window
  let last = -Infinity;
  for (const [x, y] of points) {
    const gap = !isThin && x - last > 2.2 * stepMs;
    runs.push(`${gap || runs.length === 0 ? "M" : "L"}${xOf(x).toFixed(1)} ${yOf(y).toFixed(1)}`);
    last = x;
  }
  const lonely = points.length <= 40;
  return html`<path class=${`chart-line chart-${which}`} d=${runs.join("")} />${lonely && points.map(([x, y]) => html`<circle class=${`chart-point chart-${which}`} cx=${xOf(x)} cy=${yOf(y)} r="2.5" />`)}`;
}

function Columns({ series, xOf, yOf, stepMs, columns }) {
  const base = new Map();
  return series.map(({ name, points }, which) => {
    const shown = series.length === 1 ? thinned(points, columns) : points;
    const path = shown.map(([x, y]) => {
      const under = base.get(x) ?? 0;
      base.set(x, under + y);
      const left = xOf(x);
      const wide = Math.max(1, xOf(x + stepMs) - left - (xOf(x + stepMs) - left > 4 ? 1.5 : 0));
      return `M${left.toFixed(1)} ${yOf(under).toFixed(1)}V${yOf(under + y).toFixed(1)}h${wide.toFixed(1)}V${yOf(under).toFixed(1)}z`;
    });
    return html`<path key=${name} class=${`chart-column chart-${which}`} d=${path.join("")} />`;
  });
}

// `bars` [{label, y, count}]: columns side by side, as the hours of a day are
export function HourChart({ label, bars, unit, height = 260 }) {
  const marks = ticks(...rangeOf(bars.map(({ y }) => y ?? 0)), 4);
  const yOf = (y) => TOP + (1 - (y - marks[0]) / (marks.at(-1) - marks[0])) * (height - TOP - BOTTOM);
  const says = (place) => `${bars[place].label}: ${bars[place].y === null ? "no values" : figure(bars[place].y, unit)}`;
  const placeOf = (x, _, width) => Math.max(0, Math.min(bars.length - 1, Math.floor(((x - LEFT) / (width - LEFT - RIGHT)) * bars.length)));
  return html`<${Plot} label=${label} count=${bars.length} says=${says} placeOf=${placeOf} height=${height}>
    ${(width, at) => {
      const step = (width - LEFT - RIGHT) / bars.length;
      const every = width < 520 ? 6 : 3;
      return html`
        <${Levels} marks=${marks} yOf=${yOf} width=${width} />
        ${bars.map(({ label: name, y }, place) => html`<g key=${name} class="chart-time">
          ${y !== null && html`<rect class=${`chart-column chart-0 ${at === place ? "chart-chosen" : ""}`} x=${LEFT + place * step + step * 0.14} width=${step * 0.72} y=${Math.min(yOf(y), yOf(0))} height=${Math.max(1, Math.abs(yOf(y) - yOf(0)))} rx="2" />`}
          ${place % every === 0 && html`<text x=${LEFT + (place + 0.5) * step} y=${height - 6} text-anchor="middle">${name}</text>`}
        </g>`)}
      `;
    }}
  <//>`;
}

// `bars` one under the other, with their names and values
export function BarChart({ label, bars, unit }) {
  const [low, high] = rangeOf(bars.map(({ y }) => y));
  const names = Math.min(140, 16 + 8 * Math.max(...bars.map((bar) => bar.label.length), 2));
  const height = bars.length * BAR_PX + 4;
  const says = (place) => `${bars[place].label}: ${figure(bars[place].y, unit)}`;
  const placeOf = (_, y) => Math.max(0, Math.min(bars.length - 1, Math.floor(y / BAR_PX)));
  return html`<${Plot} label=${label} count=${bars.length} says=${says} placeOf=${placeOf} height=${height}>
    ${(width, at) => {
      const xOf = (y) => names + ((y - low) / (high - low)) * (width - names - 64);
      return bars.map(({ label: name, y }, place) => html`<g key=${name}>
        <text class="chart-name" x=${names - 10} y=${(place + 0.5) * BAR_PX} dy="0.32em" text-anchor="end">${name}</text>
        <rect class=${`chart-column chart-0 ${at === place ? "chart-chosen" : ""}`} x=${Math.min(xOf(y), xOf(0))} width=${Math.max(1, Math.abs(xOf(y) - xOf(0)))} y=${place * BAR_PX + 4} height=${BAR_PX - 8} rx="2" />
        <text class="chart-value" x=${Math.max(xOf(y), xOf(0)) + 8} y=${(place + 0.5) * BAR_PX} dy="0.32em">${number(y)}</text>
      </g>`);
    }}
  <//>`;
}
