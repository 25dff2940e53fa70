import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "../../../hosts/pages/studio/js/until.js";

test("a timer is told by the clock that it goes by, with two units", () => {
  const clock = "2013-01-01T10:00:00Z";
  const wanted = {
    "2013-01-01T10:00:20Z": "in 20 s",
    "2013-01-01T10:14:30Z": "in 14 min 30 s",
    "2013-01-01T12:00:00+00:00": "in 2 h",
    "2013-01-03T13:00:00Z": "in 2 d 3 h",
    "2013-01-01T10:00:00Z": "due",
    "2012-12-31T10:00:00Z": "due",
  };
  for (const [due, said] of Object.entries(wanted)) assert.equal(until(due, clock), said);
  assert.equal(until("2013-01-01T10:00:00Z", undefined), "waiting");
});
