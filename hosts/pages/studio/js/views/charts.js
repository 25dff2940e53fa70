// Aggregations as charts: those that the app asks for, and one of every measure along its windows.

import { css, html, number, to, useMemo, useState } from "../core.js";
import { Badge, Empty, Loading, Problem } from "../ui.js";
import { OTHERS, byField, byHour, overTime } from "../series.js";
import { written } from "../scales.js";
import { BarChart, HourChart, TimeChart, figure } from "../svgchart.js";
import { useTally } from "../tallies.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const STEPS = { second: 1_000, minute: 60_000, hour: HOUR, day: DAY, week: 7 * DAY, month: 30.44 * DAY, quarter: 91.3 * DAY, year: 365.25 * DAY };
const RANGES = [["all", "All", null], ["day", "24 hours", DAY], ["week", "7 days", 7 * DAY], ["month", "31 days", 31 * DAY]];
const TABLE_ROWS = 400;
const COLUMNS_MAX = 60; // fewer windows than this are columns at first, more are a line

css("charts");

// "15 minutes" in milliseconds
function stepOf({ step }) {
  const [, count, unit] = /^(\d+) (\w+?)s?$/.exec(step) ?? [null, 1, "hour"];
  return Number(count) * (STEPS[unit] ?? HOUR);
}

function Buttons({ label, choices, chosen, onChoose }) {
  return html`<div class="charts-buttons" role="group" aria-label=${label}>
    ${choices.map(([name, title]) => html`<button type="button" key=${name} aria-pressed=${name === chosen} onClick=${() => onChoose(name)}>${title}</button>`)}
  </div>`;
}

function Legend({ series, isBars }) {
  if (series.length < 2) return null;
  return html`<ul class="charts-legend">${series.map(({ name }, which) => html`<li key=${name}><svg width="22" height="12" aria-hidden="true">${isBars ? html`<rect class=${`chart-column chart-${which}`} x="4" width="12" height="12" rx="2" />` : html`<line class=${`chart-line chart-${which}`} x1="0" x2="22" y1="6" y2="6" />`}</svg> ${name}</li>`)}</ul>`;
}

// the same values for who does not see the chart
function Values({ caption, head, rows }) {
  const [open, setOpen] = useState(false);
  const shown = rows.slice(-TABLE_ROWS);
  return html`<details class="charts-values" onToggle=${(event) => setOpen(event.target.open)}>
    <summary>Values as a table</summary>
    ${open && html`<div class="table" role="region" aria-label=${caption} tabindex="0"><table>
      <caption>${caption}${shown.length < rows.length ? `, the last ${number(TABLE_ROWS)} of ${number(rows.length)}` : ""}</caption>
      <thead><tr>${head.map((each, place) => html`<th scope="col" class=${place > 0 ? "numeric" : ""}>${each}</th>`)}</tr></thead>
      <tbody>${shown.map(([name, ...values]) => html`<tr><th scope="row">${name}</th>${values.map((each) => html`<td class="numeric">${each}</td>`)}</tr>`)}</tbody>
    </table></div>`}
  </details>`;
}

function Along({ part, chart, tally, drawn, range, isBars, title }) {
  const spanMs = RANGES.find(([name]) => name === range)[2];
  const rows = tally.rows.view;
  const series = useMemo(() => {
    const plain = rows.map((entry) => entry.row);
    const last = plain.reduce((most, row) => Math.max(most, Date.parse(row[part.window.field])), 0);
    return overTime(part, chart, plain, spanMs === null ? undefined : [last - spanMs, Infinity]);
  }, [drawn, chart.value, chart.per, range]);
  const stepMs = stepOf(part.window);
  const hasDays = stepMs >= DAY;
  const zone = part.window.zone;
  const points = series.reduce((sum, { points: some }) => sum + some.length, 0);
  const windows = Math.max(0, ...series.map(({ points: some }) => some.length));
  const asBars = isBars ?? (windows <= COLUMNS_MAX && !chart.per && series.length === 1);
  if (points === 0) return html`<${Nothing} />`;
  if (points === series.length && series.length > 1) return html`<${Single} series=${series} chart=${chart} part=${part} title=${title} />`;
  return html`
    <${Legend} series=${series} isBars=${asBars} />
    <${TimeChart} label=${title} series=${series} unit=${chart.unit} zone=${zone} stepMs=${stepMs} hasDays=${hasDays} isBars=${asBars} />
    <${SeriesValues} title=${title} series=${series} chart=${chart} zone=${zone} hasDays=${hasDays} />
  `;
}

// one window alone has no course: its series side by side
function Single({ series, chart, part, title }) {
  const bars = series.map(({ name, points: [[, y]] }) => ({ label: name, y }));
  const options = stepOf(part.window) >= DAY ? { dateStyle: "long" } : { dateStyle: "long", timeStyle: "short" };
  return html`
    <p class="charts-says">One window so far, from ${written(part.window.zone, options)(series[0].points[0][0])}.</p>
    <${BarChart} label=${title} bars=${bars} unit=${chart.unit} />
    <${Values} caption=${title} head=${["", chart.unit || chart.value]} rows=${bars.map(({ label, y }) => [label, number(y)])} />
  `;
}

function SeriesValues({ title, series, chart, zone, hasDays }) {
  const rows = () => {
    const format = written(zone, { dateStyle: "medium", ...(hasDays ? {} : { timeStyle: "short" }) });
    const values = series.map(({ points }) => new Map(points));
    const instants = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b).slice(-TABLE_ROWS);
    return instants.map((at) => [format(at), ...values.map((each) => number(each.get(at)))]);
  };
  return html`<${LazyValues} caption=${`${title}, ${zone}`} head=${["Window", ...series.map(({ name }) => name || chart.unit || chart.value)]} rows=${rows} />`;
}

function LazyValues({ caption, head, rows }) {
  const [open, setOpen] = useState(false);
  return html`<div onToggleCapture=${(event) => setOpen(event.target.open)}><${Values} caption=${caption} head=${head} rows=${open ? rows() : []} /></div>`;
}

const Nothing = () => html`<p class="charts-nothing quiet">No values yet. They appear here by themselves.</p>`;

function ByHour({ part, chart, tally, drawn, title }) {
  const bars = useMemo(() => byHour(part, chart, tally.rows.view.map((entry) => entry.row)), [drawn]);
  if (bars.every(({ y }) => y === null)) return html`<${Nothing} />`;
  const known = bars.filter(({ y }) => y !== null);
  const worst = known.reduce((most, bar) => (bar.y > most.y ? bar : most));
  return html`
    <p class="charts-says">Most at <strong>${worst.label}</strong>, ${figure(worst.y, chart.unit)}; hours of ${part.window.zone}.</p>
    <${HourChart} label=${title} bars=${bars} unit=${chart.unit} />
    <${Values} caption=${title} head=${["Hour", chart.unit || chart.value]} rows=${bars.map(({ label, y }) => [label, number(y)])} />
  `;
}

function ByField({ part, chart, tally, drawn, title }) {
  const { bars, left } = useMemo(() => byField(part, chart, tally.rows.view.map((entry) => entry.row)), [drawn]);
  if (bars.length === 0) return html`<${Nothing} />`;
  return html`
    <${BarChart} label=${title} bars=${bars} unit=${chart.unit} />
    ${left > 0 && html`<p class="quiet">The greatest ${bars.length}; ${number(left)} more are not shown.</p>`}
    <${Values} caption=${title} head=${[chart.by, chart.unit || chart.value]} rows=${bars.map(({ label, y }) => [label, number(y)])} />
  `;
}

function State({ tally }) {
  if (tally.error) return null;
  if (tally.state === "lost") return html`<${Badge} tone="warn">reconnecting<//>`;
  return tally.rows.complete ? html`<${Badge} tone="good">live<//>` : html`<${Badge}>loading<//>`;
}

function Card({ part, chart, title, note, children }) {
  const { tally, drawn } = useTally(part);
  const isOver = tally.state === "lost";
  const Kind = chart.by === "window" ? Along : chart.by === "hour_of_day" ? ByHour : ByField;
  const [range, setRange] = useState("all");
  const [isBars, setBars] = useState(undefined);
  const ranges = chart.by === "window" ? RANGES.filter(([, , ms]) => ms === null || ms >= 4 * stepOf(part.window)) : [];
  return html`<section class="panel charts-card" aria-label=${title}>
    <header><h2>${title}</h2><${State} tally=${tally} /></header>
    ${note && html`<p class="quiet charts-note">${note}</p>`}
    ${(children || chart.by === "window") && html`<div class="charts-tools">
      ${children}
      ${chart.by === "window" && html`${ranges.length > 1 && html`<${Buttons} label="Range" choices=${ranges} chosen=${range} onChoose=${setRange} />`}
        <${Buttons} label="Shape" choices=${[["line", "Line"], ["bars", "Columns"]]} chosen=${isBars === undefined ? "" : isBars ? "bars" : "line"} onChoose=${(name) => setBars(name === "bars")} />`}
    </div>`}
    ${tally.rangeMs !== null && html`<p class="quiet">There are more windows than one page follows: these are the last ${number(tally.rangeMs / DAY)} days.</p>`}
    ${tally.error && html`<${Problem} error=${tally.error} />`}
    <div class=${isOver ? "stale" : ""}>
      ${!tally.rows.complete && tally.rows.size === 0 ? !tally.error && html`<${Loading} what=${title} />` : html`<${Kind} part=${part} chart=${chart} tally=${tally} drawn=${drawn} range=${range} isBars=${isBars} title=${title} />`}
    </div>
  </section>`;
}

// any measure of an aggregation along its windows
function Measures({ part }) {
  const measures = part.fields.filter((field) => field.measure);
  const counts = measures.filter((field) => field.measure === "count");
  const [value, setValue] = useState(measures[0].graphql);
  const [per, setPer] = useState("");
  const chart = { value, per: per || null, by: "window", unit: "" };
  const picked = measures.find((field) => field.graphql === value);
  const chooser = html`
    <label class="charts-choose">Measure <select value=${value} onChange=${(event) => setValue(event.target.value)}>${measures.map((field) => html`<option value=${field.graphql}>${field.graphql} (${field.measure})</option>`)}</select></label>
    ${["sum", "count"].includes(picked.measure) && counts.length > 0 && html`<label class="charts-choose">per <select value=${per} onChange=${(event) => setPer(event.target.value)}><option value="">–</option>${counts.filter((field) => field.graphql !== value).map((field) => html`<option value=${field.graphql}>${field.graphql}</option>`)}</select></label>`}
  `;
  const others = part.key.filter((name) => name !== part.window.field);
  const note = `Every ${part.window.step.replace(/^1 /, "")} of ${part.window.zone}${others.length > 0 ? `, a line for each ${others.join(" and ")}: the greatest, and ${OTHERS}` : ""}.`;
  return html`<${Card} part=${part} chart=${chart} title=${part.part} note=${note}>${chooser}<//>`;
}

export default function View({ model }) {
  const partOf = (look) => model.rows.find((part) => part.part === look.part);
  const looks = model.looks.filter((look) => look.kind === "chart" && look.many && partOf(look));
  const tables = model.rows.filter((part) => part.many && part.aggregation && part.window && part.fields.some((field) => field.measure));
  const plain = model.rows.filter((part) => part.many && part.aggregation && !part.window);
  if (looks.length + tables.length === 0) {
    return html`<h1>Charts</h1><${Empty} title="Nothing to draw">An aggregation with a window that is exposed is drawn here: <code>Aggregation("sales", key=Window("1 hour", on="at"), …)</code>.
      ${plain.length > 0 && html`<p>Without a window: ${plain.map((part) => html`<a href=${to("rows", part.part)}>${part.part}</a> `)}</p>`}<//>`;
  }
  return html`
    <h1>Charts</h1>
    ${looks.length > 0 && html`<div class="charts-grid">${looks.map((look, place) => html`<${Card} key=${place} part=${partOf(look)} chart=${look} title=${look.title} />`)}</div>`}
    ${tables.length > 0 && html`<h2 class="charts-more">Every measure</h2><div class="charts-grid">${tables.map((part) => html`<${Measures} key=${part.part} part=${part} />`)}</div>`}
  `;
}
