import assert from "node:assert/strict";
import { test } from "node:test";

import { lines, same, tally } from "../../../hosts/pages/studio/js/diff.js";

const drawn = (marked) => marked.map(({ depth, text, mark }) => `${{ same: " ", added: "+", removed: "-", changed: "~" }[mark]} ${"  ".repeat(depth)}${text}`);

test("the lines of the new value are its indented JSON", () => {
  const after = { a: 1, b: [1, { c: null }], d: {}, e: [], f: "x" };
  for (const before of [after, {}, { a: 2, b: [{ c: 1 }] }, { f: "y", b: [1, 2] }]) {
    const left = lines(before, after).filter(({ mark }) => mark !== "removed");
    assert.equal(left.map(({ depth, text }) => "  ".repeat(depth) + text).join("\n"), JSON.stringify(after, null, 2));
  }
});

test("a changed value keeps its old text, what came and what went stand in their places", () => {
  const marked = lines({ order: "o-1", stage: "placed", note: 1 }, { order: "o-1", stage: "sold", amount: 5 });
  assert.deepEqual(drawn(marked), ["  {", '    "order": "o-1",', '~   "stage": "sold",', '-   "note": 1,', '+   "amount": 5', "  }"]);
  assert.equal(marked[2].was, '"placed"');
  assert.deepEqual(tally(marked), { added: 1, removed: 1, changed: 1 });
});

test("what was null begins to be; any other change of shape is one of the whole", () => {
  assert.deepEqual(drawn(lines(null, { a: 1 })), ["+ {", '+   "a": 1', "+ }"]);
  assert.deepEqual(drawn(lines({ a: 1 }, null)), ["- {", '-   "a": 1', "- }", "+ null"]);
  assert.deepEqual(drawn(lines(5, 3)), ["~ 3"]);
  assert.deepEqual(drawn(lines({ a: [] }, { a: {} })), ["  {", '-   "a": []', '+   "a": {}', "  }"]);
});

test("a list that grew shows what came; what is gone does not borrow a name from the prototype", () => {
  assert.deepEqual(drawn(lines(["ann"], ["ann", "bob"])), ["  [", '    "ann",', '+   "bob"', "  ]"]);
  assert.deepEqual(drawn(lines({}, { toString: 1 })), ["  {", '+   "toString": 1', "  }"]);
});

test("fields in another order are the same", () => {
  assert.ok(same({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }));
  assert.ok(!same([1, 2], [2, 1]) && !same({}, []) && !same({ a: undefined }, { b: undefined }));
});
