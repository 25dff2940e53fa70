import assert from "node:assert/strict";
import { test } from "node:test";

import { samplesOf } from "../../../hosts/pages/studio/js/samples.js";

const field = (name, type, more = {}) => ({ name, graphql: name, type, required: true, default: null, id: false, ...more });
const told = { now: new Date("2026-05-01T10:20:30Z"), dice: () => 0 };
const flight = [field("flight", "String", { id: true }), field("carrier", "String", { sample: "carrier-1" }), field("number", "BigInt", { sample: 1 })];
const scheduled = { data: { flight: "2013-01-01-UA-1545-EWR", carrier: "UA", number: 1545 } };

test("a command that begins a stream gets what the last one said, and an id of its own", () => {
  assert.deepEqual(samplesOf(flight, scheduled, "2013-01-01-UA-1545-EWR", told), { flight: "2013-01-01-UA-1546-EWR", carrier: "UA", number: 1546 });
});

test("any other command goes to the stream that is there, now", () => {
  const fields = [field("flight", "String", { id: true }), field("at", "DateTime"), field("delay", "BigInt", { sample: 1 })];
  assert.deepEqual(samplesOf(fields, scheduled, "f-7", told), { flight: "f-7", at: "2026-05-01T10:20:00Z", delay: 1 });
});

test("what comes next comes after what was told, also in a replay of the past", () => {
  const fields = [field("flight", "String", { id: true }), field("at", "DateTime")];
  const event = { data: { ...scheduled.data, scheduled: "2013-01-01T10:15:00Z", date: "2013-01-01" } };
  assert.equal(samplesOf(fields, event, "f-7", told).at, "2013-01-01T10:15:00Z");
});

test("what is made for the visitor stays the visitor's", () => {
  const fields = [field("order", "String", { id: true }), field("customer", "String", { sample: "ann" }), field("sku", "String", { sample: "sku-1" })];
  const placed = { data: { order: "o-9", customer: "bob", sku: "tea" } };
  assert.deepEqual(samplesOf(fields, placed, "o-9", told), { order: "o-10", customer: "ann", sku: "tea" });
  const worded = { data: { order: "first", customer: "bob", sku: "tea" } };
  assert.equal(samplesOf(fields, worded, "first", told).order, "first-1");
});

test("with no event to learn from, types and defaults decide", () => {
  const may = { required: false };
  const fields = [field("day", "Date"), field("times", "BigInt", { ...may, default: 2, sample: 1 }), field("name", "String", { sample: "name-1" })];
  const optional = [field("note", "String", { ...may, sample: "note-1" }), field("fast", "Boolean", { ...may, default: false, sample: true })];
  const wanted = { day: "2026-05-01", times: 2, name: "name-1", note: undefined, fast: false };
  assert.deepEqual(samplesOf([...fields, ...optional], null, null, told), wanted);
  assert.deepEqual(samplesOf(optional, { data: { note: "fragile" } }, "x", told), { note: undefined, fast: false });
});
