import assert from "node:assert/strict";
import { test } from "node:test";

import { news } from "../../../hosts/pages/studio/js/news.js";

test("an event's line tells what the one before did not", () => {
  const scheduled = { type: "FlightScheduled", flight: "UA-1", number: 1, seats: [1, 2] };
  const departed = { type: "FlightDeparted", flight: "UA-1", number: 1, at: "10:00", delay: -2, gate: null };
  assert.equal(news(scheduled, undefined), "flight UA-1 · number 1");
  assert.equal(news(departed, scheduled), "at 10:00 · delay -2 · gate null");
  assert.equal(news(departed, departed), "flight UA-1 · number 1 · at 10:00 · delay -2 · gate null");
  assert.equal(news(null, null), "");
});
