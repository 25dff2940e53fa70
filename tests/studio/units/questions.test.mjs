// What is asked for rows: every value in a variable, of the type its field has; and which rows of a long table are made.
import assert from "node:assert/strict";
import { test } from "node:test";

import { both, identOf, keysOf, liveOf, operatorsOf, orderOf, pageOf, valueOf, whereOf } from "../../../hosts/pages/studio/js/questions.js";
import { revealed, span } from "../../../hosts/pages/studio/js/virtual.js";

const field = (graphql, type, more = {}) => ({ graphql, type, ...more });
const part = {
  type: "Sales",
  many: "salesRows",
  key: ["sku", "minute"],
  fields: [field("sku", "String"), field("minute", "DateTime"), field("sold", "BigInt"), field("size", "Size", { select: "{ width }" })],
};

test("nothing that was typed is part of the document", () => {
  const where = whereOf(part, [{ name: "sku", op: "eq", text: '"}) { evil }' }, { name: "sold", op: "ge", text: "5" }]);
  assert.deepEqual(where, { and: [{ sku: { eq: '"}) { evil }' } }, { sold: { ge: "5" } }] });
  assert.match(pageOf(part), /\$where: SalesFilter, \$orderBy: \[SalesOrder!\]/);
  assert.match(liveOf(part), /row \{ sku minute sold size \{ width \} \}/);
});

test("values have their field's type, or are refused in words", () => {
  assert.deepEqual(valueOf(field("a", "Int"), "in", "1, 2"), [1, 2]);
  assert.equal(valueOf(field("a", "BigInt"), "eq", "9007199254740993"), "9007199254740993"); // digits: a number would lose some
  assert.equal(valueOf(field("a", "DateTime"), "lt", "2026-01-31 12:00"), "2026-01-31T12:00:00.000Z");
  assert.equal(valueOf(field("a", "Boolean"), "eq", "true"), true);
  assert.equal(valueOf(field("a", "String"), "isNull", "no"), false);
  assert.throws(() => valueOf(field("a", "Int"), "eq", "soon"), /soon is not a whole number/);
  assert.throws(() => valueOf(field("a", "Date"), "eq", "soon"), /2026-01-31/);
});

test("operators come from the model, or from the type", () => {
  assert.ok(operatorsOf(field("a", "String")).includes("startsWith"));
  assert.ok(!operatorsOf(field("a", "Boolean")).includes("lt"));
  assert.deepEqual(operatorsOf(field("a", "Size", { select: "{ width }" })), ["isNull"]);
  assert.deepEqual(operatorsOf(field("a", "Int", { operators: ["eq"] })), ["eq"]);
});

test("rows are found by their keys", () => {
  const rows = [{ sku: "tea", minute: "m" }];
  assert.deepEqual(keysOf(part, rows), { or: [{ sku: { eq: "tea" }, minute: { eq: "m" } }] });
  assert.deepEqual(keysOf({ ...part, key: ["sku"] }, rows), { sku: { in: ["tea"] } });
  assert.equal(identOf(part, rows[0]), '["tea","m"]');
  assert.deepEqual(both({}, { a: 1 }), { a: 1 });
  assert.deepEqual(orderOf([{ name: "sold", down: true }, { name: "sku" }]), [{ sold: "DESC" }, { sku: "ASC" }]);
});

test("rows in view are made, and the heights of the others add up", () => {
  for (const count of [0, 1, 7, 100, 100_000]) {
    for (const scrolled of [0, 1, 500, 31 * count, 1e9]) {
      const { from, to, before, after } = span(scrolled, 600, 32, count);
      assert.equal(before + (to - from) * 32 + after, count * 32);
      assert.ok(to - from <= 600 / 32 + 2 + 16 + 1);
      assert.ok(count === 0 || to > from);
    }
  }
  assert.equal(revealed(3, 0, 600, 32), null);
  assert.equal(revealed(50, 0, 600, 32), 51 * 32 - 600);
  assert.equal(revealed(1, 320, 600, 32), 32);
});
