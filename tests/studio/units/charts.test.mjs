// Charts: means from sums, hours of a zone, the greatest series and the others, and points made few that keep every extreme.
import assert from "node:assert/strict";
import { test } from "node:test";

import { nearest, offsetOf, thinned, ticks, timeTicks } from "../../../hosts/pages/studio/js/scales.js";
import { OTHERS, TOP, byField, byHour, overTime } from "../../../hosts/pages/studio/js/series.js";

const HOUR = 3_600_000;
const fields = [{ graphql: "delay", measure: "sum" }, { graphql: "left", measure: "count" }, { graphql: "worst", measure: "max" }];
const hourly = { key: ["hour"], window: { field: "hour", step: "1 hour", zone: "America/New_York" }, fields };
const at = (hours) => new Date(Date.UTC(2013, 0, 1) + hours * HOUR).toISOString();

test("a mean by the hour of the day is all minutes over all flights of that local hour", () => {
  const rows = [
    { hour: at(10), delay: 10, left: 1 }, // 05:00 in New York
    { hour: at(34), delay: 50, left: 5 }, // the next day
    { hour: at(11), delay: 7, left: 0 },
  ];
  const bars = byHour(hourly, { value: "delay", per: "left" }, rows);
  assert.equal(bars.length, 24);
  assert.deepEqual(bars[5], { label: "05:00", y: 10, count: 2 });
  assert.equal(bars[6].y, null); // nobody left: no mean
  assert.equal(bars[7].y, null);
});

test("an hour of summer is another one than in winter", () => {
  const july = new Date(Date.UTC(2013, 6, 1, 10)).toISOString();
  assert.equal(byHour(hourly, { value: "left" }, [{ hour: july, left: 3 }])[6].y, 3);
  assert.equal(offsetOf("America/New_York", Date.parse(july)), -4 * HOUR);
});

test("along the windows there is a series for each of the greatest, and the others are put together", () => {
  const part = { ...hourly, key: ["carrier", "hour"] };
  const rows = [];
  for (let carrier = 0; carrier < 12; carrier++) for (const hour of [0, 1]) rows.push({ carrier: `c${carrier}`, hour: at(hour), left: 20 - carrier, worst: carrier });
  const series = overTime(part, { value: "left" }, rows);
  assert.equal(series.length, TOP + 1);
  assert.deepEqual(series.map(({ name }) => name).slice(0, 2), ["c0", "c1"]);
  assert.deepEqual(series.at(-1), { name: OTHERS, points: [[Date.parse(at(0)), 12 + 11 + 10 + 9], [Date.parse(at(1)), 12 + 11 + 10 + 9]] });
  assert.equal(overTime(part, { value: "worst" }, rows).length, TOP + 1);
  assert.equal(overTime(part, { value: "left" }, rows, [Date.parse(at(1)), Infinity])[0].points.length, 1);
});

test("by a field of the key, the greatest first", () => {
  const rows = [{ carrier: "a", delay: 10, left: 10 }, { carrier: "b", delay: 30, left: 10 }, { carrier: "b", delay: 10, left: 10 }, { carrier: "c", delay: 0, left: 0 }];
  const { bars, left } = byField({ key: ["carrier"], fields }, { value: "delay", per: "left", by: "carrier" }, rows);
  assert.deepEqual(bars.map(({ label, y }) => [label, y]), [["b", 2], ["a", 1]]);
  assert.equal(left, 0);
});

test("a year of hours is made few, and its extremes stay", () => {
  const points = Array.from({ length: 8_760 }, (_, hour) => [hour, Math.sin(hour / 50)]);
  points[4_321] = [4_321, 99];
  points[777] = [777, -99];
  const few = thinned(points, 600);
  assert.ok(few.length <= 1_200);
  assert.ok(few.some(([x, y]) => x === 4_321 && y === 99));
  assert.ok(few.some(([x, y]) => x === 777 && y === -99));
  assert.ok(few.every(([x], place) => place === 0 || x > few[place - 1][0]));
  assert.equal(thinned(points.slice(0, 100), 600).length, 100);
});

test("axes have round numbers around everything", () => {
  assert.deepEqual(ticks(0, 97, 5), [0, 20, 40, 60, 80, 100]);
  assert.deepEqual(ticks(-3, 12, 4), [-5, 0, 5, 10, 15]);
  for (const [low, high] of [[0, 1e-7], [3, 3], [-1e9, 12]]) {
    const found = ticks(low, high);
    assert.ok(found[0] <= low && found.at(-1) >= high);
    assert.ok(found.length <= 12);
  }
});

test("marks of a time axis are whole hours, days or months of the zone", () => {
  const from = Date.UTC(2013, 0, 1, 5);
  assert.deepEqual(timeTicks(from, from + 12 * HOUR, "America/New_York").map(({ text }) => text), ["1 Jan", "03:00", "06:00", "09:00", "12:00"]);
  assert.match(timeTicks(from, from + 6 * 24 * HOUR, "America/New_York")[0].text, /^1 Jan$/);
  assert.ok(timeTicks(from, from + 365 * 24 * HOUR, "UTC").length <= 7);
});

test("the nearest point is found", () => {
  const points = [[0, 0], [10, 0], [20, 0]];
  assert.deepEqual([-5, 4, 6, 15.1, 99].map((x) => nearest(points, x)), [0, 0, 1, 2, 2]);
});
