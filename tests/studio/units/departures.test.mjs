// What a board says of a flight: only what its row and the clock say.
import assert from "node:assert/strict";
import { test } from "node:test";

import { clockIn, remarkOf, shownAt, windowAt } from "../../../hosts/pages/studio/js/departures.js";

const look = { at: "scheduled", status: "status", delay: "depDelay", left: "departed" };
const at = "2013-01-01T10:00:00Z";
const flight = (more) => ({ scheduled: at, status: "scheduled", depDelay: null, departed: null, ...more });
const said = (row, minutes) => remarkOf(look, row, Date.parse(at) + minutes * 60_000).text;

test("a flight is on time until it should be gone, then delayed by as much, then departed", () => {
  assert.equal(said(flight(), -30), "on time");
  assert.equal(said(flight(), 4), "on time");
  assert.equal(said(flight(), 45), "delayed 45 min");
  assert.equal(said(flight({ status: "departed", departed: at, depDelay: 2 }), 10), "departed");
  assert.equal(said(flight({ status: "departed", departed: at, depDelay: 52 }), 60), "departed +52");
  assert.equal(said(flight({ status: "arrived", departed: at, depDelay: -3 }), 60), "departed");
});

test("what is cancelled or diverted says so, whatever the clock says", () => {
  assert.deepEqual(remarkOf(look, flight({ status: "cancelled" }), Date.parse(at) + 1e7), { text: "cancelled", tone: "bad" });
  assert.equal(said(flight({ status: "diverted", departed: at }), 90), "diverted");
});

test("a board without status, delay or departure says what it can", () => {
  assert.equal(remarkOf({ at: "scheduled" }, { scheduled: at }, Date.parse(at)).text, "on time");
});

test("the window moves in half hours and holds what is shown", () => {
  const now = Date.parse("2013-01-01T10:17:00Z");
  assert.deepEqual(windowAt(now), windowAt(now + 60_000));
  const { from, to } = windowAt(now);
  assert.ok(Date.parse(from) <= now - 4 * 3_600_000 && Date.parse(to) > now + 8 * 3_600_000);
});

test("what left is shown for a moment, what is late until it leaves, what will not leave for half an hour", () => {
  const now = Date.parse(at);
  const since = (minutes) => new Date(now - minutes * 60_000).toISOString();
  const rows = [
    flight({ scheduled: since(200), id: "late for hours" }),
    flight({ scheduled: since(60), departed: since(50), id: "long gone" }),
    flight({ scheduled: since(55), departed: since(5), id: "just gone" }),
    flight({ scheduled: since(45), status: "cancelled", id: "cancelled long ago" }),
    flight({ scheduled: since(10), status: "cancelled", id: "cancelled" }),
    flight({ scheduled: since(-20), id: "next" }),
    flight({ scheduled: since(-30), id: "too many" }),
  ].map((row) => ({ row }));
  assert.deepEqual(shownAt(look, rows, now, 4).map(({ id }) => id), ["late for hours", "just gone", "cancelled", "next"]);
});

test("times are those of the place where the board hangs", () => {
  assert.equal(clockIn("America/New_York")("2013-01-01T10:15:00Z"), "05:15");
  assert.equal(clockIn("America/New_York")("2013-01-01T05:00:00Z"), "00:00");
});
