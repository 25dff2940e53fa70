// An aggregation's rows as what a chart draws: along its windows, by the hour of the day, or by a field of its key.
//
// A mean is the sum of a value over the sum of what it is per, put together from all rows that fall together; the same for sums and
// counts alone, the greatest for a max, the least for a min. A mean that is measured as such cannot be put together from means.
import { written } from "./scales.js";

export const TOP = 8;
const CATEGORIES = 16;
export const OTHERS = "others";

const PUT_TOGETHER = {
  max: (a, b) => (a === null ? b : b === null ? a : Math.max(a, b)),
  min: (a, b) => (a === null ? b : b === null ? a : Math.min(a, b)),
};
const sum = (a, b) => (a ?? 0) + (b ?? 0);

const numeric = (value) => (value === null || value === undefined ? null : Number(value));

// keeps values that fall together
class Pot {
  constructor(chart, measure) {
    this.chart = chart;
    this.combine = PUT_TOGETHER[measure] ?? sum;
    this.value = null;
    this.per = 0;
    this.count = 0;
  }
  add(row) {
    const value = numeric(row[this.chart.value]);
    this.count += 1;
    this.value = this.count === 1 ? value : this.combine(this.value, value);
    if (this.chart.per) this.per += numeric(row[this.chart.per]) ?? 0;
  }
  get result() {
    if (this.chart.per) return this.per > 0 ? (this.value ?? 0) / this.per : null;
    return this.value;
  }
}

const measureOf = (part, chart) => part.fields.find((field) => field.graphql === chart.value)?.measure ?? "sum";

// [{name, points: [[ms, y], …]}], a series for each of the other key fields' values: the greatest ones, and others together
export function overTime(part, chart, rows, [from, to] = [-Infinity, Infinity]) {
  const window = part.window.field;
  const others = part.key.filter((name) => name !== window);
  const measure = measureOf(part, chart);
  const named = new Map(); // by series: by instant: a pot
  const weights = new Map();
  for (const row of rows) {
    const at = Date.parse(row[window]);
    if (at < from || at > to) continue;
    const name = others.map((key) => row[key]).join(" · ");
    const pots = named.get(name) ?? named.set(name, new Map()).get(name);
    (pots.get(at) ?? pots.set(at, new Pot(chart, measure)).get(at)).add(row);
    weights.set(name, (weights.get(name) ?? 0) + Math.abs(numeric(row[chart.per ?? chart.value]) ?? 0));
  }
  const names = [...named.keys()].sort((a, b) => weights.get(b) - weights.get(a) || (a < b ? -1 : 1));
  const top = names.length > TOP + 1 ? names.slice(0, TOP) : names;
  const series = top.map((name) => ({ name, points: pointsOf(named.get(name)) }));
  if (top.length < names.length && measure !== "mean") series.push({ name: OTHERS, points: pointsOf(together(named, names.slice(TOP), chart, measure)) });
  return series;
}

function together(named, names, chart, measure) {
  const whole = new Map();
  for (const name of names) {
    for (const [at, pot] of named.get(name)) {
      const kept = whole.get(at) ?? whole.set(at, new Pot(chart, measure)).get(at);
      kept.value = kept.count === 0 ? pot.value : kept.combine(kept.value, pot.value);
      kept.per += pot.per;
      kept.count += 1;
    }
  }
  return whole;
}

const pointsOf = (pots) =>
  [...pots]
    .map(([at, pot]) => [at, pot.result])
    .filter(([, y]) => y !== null)
    .sort((a, b) => a[0] - b[0]);

const hours = new Map(); // by zone and instant: writing a time in a zone is dear, and there are as many as windows

function hourOf(zone, text) {
  const name = `${zone} ${text}`;
  if (!hours.has(name)) {
    if (hours.size > 50_000) hours.clear();
    hours.set(name, Number(written(zone, { hour: "2-digit", hourCycle: "h23" })(Date.parse(text))));
  }
  return hours.get(name);
}

// [{label, y, count}] for the 24 hours of the window's zone
export function byHour(part, chart, rows) {
  const pots = Array.from({ length: 24 }, () => new Pot(chart, measureOf(part, chart)));
  for (const row of rows) pots[hourOf(part.window.zone, row[part.window.field])].add(row);
  return pots.map((pot, hour) => ({ label: `${String(hour).padStart(2, "0")}:00`, y: pot.count > 0 ? pot.result : null, count: pot.count }));
}

// [{label, y, count}] by the values of a key field, the greatest first
export function byField(part, chart, rows) {
  const measure = measureOf(part, chart);
  const pots = new Map();
  for (const row of rows) {
    const label = String(row[chart.by]);
    (pots.get(label) ?? pots.set(label, new Pot(chart, measure)).get(label)).add(row);
  }
  const all = [...pots].map(([label, pot]) => ({ label, y: pot.result, count: pot.count })).filter(({ y }) => y !== null);
  all.sort((a, b) => b.y - a.y || (a.label < b.label ? -1 : 1));
  return { bars: all.slice(0, CATEGORIES), left: Math.max(0, all.length - CATEGORIES) };
}
