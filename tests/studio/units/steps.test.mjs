import assert from "node:assert/strict";
import { test } from "node:test";

import { next, reasons, standing } from "../../../hosts/pages/studio/js/steps.js";

const live = { number: 1, phase: "live", leases: 0 };
const green = { number: 2, phase: "green", leases: 0 };
const idle = { group: "rows", live: 1, green: null, generations: [live], streams: 0, streams_done: 0, letters: 0, events: null, job: null };
const filling = { ...idle, green: 2, generations: [live, green], streams: 10, streams_done: 4, job: { step: "filling", folded: 40, error: null } };
const filled = { ...filling, streams_done: 10, job: { step: "filled", folded: 100, error: null } };
const replaced = { ...idle, live: 2, generations: [{ ...live, phase: "blue" }, { ...green, phase: "live" }], job: { step: "done", folded: 100, error: null } };
const possible = (group) => Object.entries(reasons(group)).filter(([, why]) => why === "").map(([step]) => step);

test("what is possible follows where a group stands", () => {
  assert.deepEqual([standing(idle), possible(idle), next(idle)], ["idle", ["start"], "start"]);
  assert.deepEqual([standing(filling), possible(filling), next(filling)], ["filling", ["compare", "abort"], ""]);
  assert.deepEqual([standing(filled), possible(filled), next(filled)], ["filled", ["compare", "swap", "abort"], "swap"]);
  assert.deepEqual([standing(replaced), possible(replaced), next(replaced)], ["replaced", ["start", "finish"], "finish"]);
});

test("a fill whose process stopped goes on with start", () => {
  const left = { ...filling, job: null };
  assert.deepEqual([standing(left), next(left)], ["behind", "start"]);
  const failed = { ...filled, job: { step: "failed", folded: 1, error: "away" } };
  assert.deepEqual([standing(failed), next(failed)], ["failed", "start"]);
});

test("what is not possible says why", () => {
  for (const group of [idle, filling, filled, replaced]) {
    for (const [step, why] of Object.entries(reasons(group))) assert.ok(why === "" || why.length > 10, `${step}: ${why}`);
  }
  assert.equal(reasons({ ...filled, letters: 1 }).swap, ""); // the live rows may have the same letter
  assert.equal(reasons({ ...filled, job: { step: "swapping", folded: 0, error: null } }).abort, "it is being swapped");
});
