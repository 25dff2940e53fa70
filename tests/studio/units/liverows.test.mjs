// Random updates against the plainest store there could be: every state kept, the newest of each key shown, sorted from scratch.
import assert from "node:assert/strict";
import { test } from "node:test";

import { LiveRows, newer } from "../../../hosts/pages/studio/js/liverows.js";
import { comparing, compareOf, compareText, turned } from "../../../hosts/pages/studio/js/order.js";

// numbers that a seed decides (mulberry32)
function dice(seed) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  return { below: (most) => Math.floor(next() * most), chance: (part) => next() < part };
}

class Frames {
  #works = [];
  schedule = (work) => this.#works.push(work);
  get waiting() {
    return this.#works.length;
  }
  run() {
    const works = this.#works;
    this.#works = [];
    for (const work of works) work();
  }
  all() {
    while (this.waiting > 0) this.run();
  }
}

class Naive {
  states = new Map();
  take({ reset, changed = [], removed = [] }) {
    if (reset) this.states.clear();
    for (const { key, revision, row } of [...changed, ...removed.map((each) => ({ ...each, row: null }))]) {
      const known = this.states.get(key);
      if (known === undefined || newer(revision, known.revision)) this.states.set(key, { key, revision, row });
    }
  }
  view(order) {
    return [...this.states.values()].filter(({ row }) => row !== null).sort(comparing(order));
  }
}

const ORDERS = [
  [],
  [{ name: "a", type: "Int" }],
  [{ name: "a", type: "Int", down: true }, { name: "b", type: "String" }],
  [{ name: "b", type: "String", down: true }],
];

function update(random, clock) {
  const key = () => `k${random.below(60)}`;
  // one revision is one state, whatever comes late: the number decides everything about it
  const told = (name) => {
    const n = Math.max(1, (clock.get(name) ?? 0) + (random.chance(0.2) ? -random.below(3) : 1));
    clock.set(name, Math.max(n, clock.get(name) ?? 0));
    return { key: name, revision: { generation: 1, n }, row: { a: (n * 7 + name.length) % 5 === 0 ? null : (n * 7) % 5, b: `${name}-${n % 3}` } };
  };
  const keys = new Set(Array.from({ length: random.below(12) }, key));
  const all = [...keys].map(told);
  const gone = ({ revision: { n } }) => n % 7 === 0;
  return { changed: all.filter((each) => !gone(each)), removed: all.filter(gone).map(({ key: name, revision }) => ({ key: name, revision })) };
}

test("whatever comes, in whatever pieces, the view is the newest of each key in order", () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = dice(seed);
    const frames = new Frames();
    let order = ORDERS[random.below(ORDERS.length)];
    const rows = new LiveRows({ order, schedule: frames.schedule, clock: () => 1 });
    const naive = new Naive();
    const clock = new Map();
    rows.take({ snapshot: true, reset: true });
    for (let step = 0; step < 60; step++) {
      const told = update(random, clock);
      if (random.chance(0.03)) Object.assign(told, { snapshot: true, reset: true });
      rows.take(told);
      naive.take(told);
      if (random.chance(0.3)) frames.run();
      if (random.chance(0.05)) rows.sortBy((order = ORDERS[random.below(ORDERS.length)]));
    }
    frames.all();
    const seen = (entries) => entries.map(({ key, row }) => [key, row]);
    assert.deepEqual(seen(rows.view), seen(naive.view(order)), `seed ${seed}`);
  }
});

test("a state that comes late changes nothing, and a row that is gone stays gone", () => {
  const frames = new Frames();
  const rows = new LiveRows({ schedule: frames.schedule, clock: () => 1 });
  const at = (n, generation = 1) => ({ generation, n });
  rows.take({ snapshot: true, reset: true, changed: [{ key: "a", revision: at(3), row: { v: 3 } }] });
  frames.all();
  rows.take({ changed: [{ key: "a", revision: at(2), row: { v: 2 } }] });
  frames.all();
  assert.equal(rows.view[0].row.v, 3);
  rows.take({ removed: [{ key: "a", revision: at(5) }] });
  frames.all();
  rows.take({ changed: [{ key: "a", revision: at(4), row: { v: 4 } }] });
  frames.all();
  assert.equal(rows.size, 0);
  rows.take({ changed: [{ key: "a", revision: at(1, 2), row: { v: 9 } }] }); // another generation counts its own
  frames.all();
  assert.equal(rows.view[0].row.v, 9);
});

test("who listens is told once a frame, however much came", () => {
  const frames = new Frames();
  const rows = new LiveRows({ schedule: frames.schedule, clock: () => 1 });
  let told = 0;
  rows.onChange(() => told++);
  for (let n = 1; n <= 500; n++) rows.take({ changed: [{ key: "a", revision: { generation: 1, n }, row: { v: n } }] });
  assert.equal(told, 0);
  frames.all();
  assert.equal(told, 1);
  assert.equal(rows.view[0].row.v, 500);
});

test("a large picture is taken over in slices", () => {
  const frames = new Frames();
  const rows = new LiveRows({ schedule: frames.schedule, clock: () => 1 });
  const changed = Array.from({ length: 10_000 }, (_, number) => ({ key: `k${number}`, revision: { generation: 1, n: 1 }, row: { v: number } }));
  rows.take({ snapshot: true, reset: true, changed });
  frames.run();
  assert.equal(rows.size, 2_000);
  frames.all();
  assert.equal(rows.size, 10_000);
});

test("a new picture takes the place of the old one when it is complete, and only what differs has changed", () => {
  const frames = new Frames();
  let now = 10;
  const rows = new LiveRows({ schedule: frames.schedule, clock: () => now });
  const state = (key, n, v) => ({ key, revision: { generation: 1, n }, row: { v, w: 0 } });
  rows.take({ snapshot: true, reset: true, changed: [state("a", 1, 1), state("b", 1, 1), state("c", 1, 1)] });
  frames.all();
  now = 20;
  rows.take({ snapshot: true, reset: true, complete: false, changed: [state("a", 2, 1)] });
  frames.all();
  assert.deepEqual(rows.view.map(({ key }) => key), ["a", "b", "c"]);
  assert.equal(rows.complete, false);
  rows.take({ snapshot: true, complete: true, changed: [state("b", 2, 5)] });
  frames.all();
  const [a, b] = rows.view;
  assert.equal(rows.size, 2);
  assert.deepEqual([a.changed, a.stamp], [null, 1]);
  assert.deepEqual([b.changed, b.stamp, b.at], [["v"], 2, 20]);
});

test("an array of rows is the same while no row changes its place", () => {
  const frames = new Frames();
  const rows = new LiveRows({ order: [{ name: "v", type: "Int" }], schedule: frames.schedule, clock: () => 1 });
  const tell = (n, v, w) => rows.take({ changed: [{ key: "a", revision: { generation: 1, n }, row: { v, w } }] });
  tell(1, 1, 1);
  frames.all();
  const before = rows.view;
  tell(2, 1, 2);
  frames.all();
  assert.equal(rows.view, before);
  tell(3, 2, 2);
  frames.all();
  assert.notEqual(rows.view, before);
});

test("values are compared as the gateway compares them", () => {
  assert.ok(compareText("\u{1F600}", "\uFFFD") > 0); // by code point, not by UTF-16 unit
  assert.ok(compareText("a", "ab") < 0);
  assert.ok(compareOf("Decimal")("9.5", "10") < 0);
  assert.ok(compareOf("DateTime")("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z") < 0);
  assert.ok(compareOf("Int")(null, -5) < 0); // none comes first
  assert.ok(compareOf("Boolean")(false, true) < 0);
});

test("a click sorts, a click with shift adds, turns and takes away", () => {
  assert.deepEqual(turned([], "a", false), [{ name: "a", down: false }]);
  assert.deepEqual(turned([{ name: "a", down: false }], "a", false), [{ name: "a", down: true }]);
  assert.deepEqual(turned([{ name: "a", down: true }], "b", true), [{ name: "a", down: true }, { name: "b", down: false }]);
  assert.deepEqual(turned([{ name: "a", down: false }, { name: "b", down: true }], "b", true), [{ name: "a", down: false }]);
});
