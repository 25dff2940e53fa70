import assert from "node:assert/strict";
import { test } from "node:test";

import { Events, PAGE, pagesOf } from "../../../hosts/pages/studio/js/paging.js";

// A stream of so many events, and what was asked of it.
function source(count) {
  const asked = [];
  const read = async (after, limit) => {
    asked.push(after);
    const versions = Array.from({ length: Math.max(0, Math.min(limit, read.count - after)) }, (_, n) => after + n + 1);
    return { kind: "order", version: read.count, events: versions.map((version) => ({ version })) };
  };
  read.count = count;
  return { read, asked };
}

test("versions lie on pages", () => {
  assert.deepEqual(pagesOf(1, PAGE), [0]);
  assert.deepEqual(pagesOf(PAGE, PAGE + 1), [0, 1]);
  assert.deepEqual(pagesOf(0, 0), [0]);
});

test("only the pages that are looked at are read, each once", async () => {
  const { read, asked } = source(10_000);
  const events = new Events(read, () => {});
  await Promise.all([events.need(1, 20), events.need(5, 30)]);
  await events.need(5_001, 5_020);
  await events.need(5_001, 5_020);
  assert.deepEqual(asked, [0, 5_000]);
  assert.equal(events.version, 10_000);
  assert.equal(events.at(5_001)[0].version, 5_001);
  assert.equal(events.at(7_000), null);
});

test("what was appended since is found, across the end of a page too", async () => {
  const { read } = source(PAGE);
  const events = new Events(read, () => {});
  await events.need(1, 10);
  read.count = PAGE + 1;
  await events.grow();
  assert.equal(events.version, PAGE + 1);
  assert.ok(events.at(PAGE + 1) && events.at(PAGE));
});

test("far pages are forgotten, an error is kept until the next answer", async () => {
  const { read } = source(10_000);
  const events = new Events(read, () => {}, { keep: 3 });
  for (let page = 0; page < 6; page++) await events.page(page);
  assert.deepEqual([...events.pages.keys()], [3, 4, 5]);
  const broken = new Events(async () => Promise.reject(new Error("away")), () => {});
  await broken.need(1, 1);
  assert.equal(broken.error.message, "away");
});
