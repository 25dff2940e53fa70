import assert from "node:assert/strict";
import { test } from "node:test";

import { inputOf, mutation, placed, start, stepOf, variables } from "../../../hosts/pages/studio/js/form.js";

const field = (graphql, type, more = {}) => ({ name: graphql, graphql, type, required: true, default: null, choices: null, list: false, doc: "", ...more });

test("every type gets the input that fits", () => {
  const wanted = {
    String: "text", BigInt: "number", Int: "number", Float: "number", Decimal: "number", Boolean: "checkbox",
    DateTime: "datetime-local", Date: "date", JSON: "json", AddressInput: "json",
  };
  for (const [type, input] of Object.entries(wanted)) assert.equal(inputOf(field("f", type)), input);
  assert.equal(inputOf(field("f", "String", { choices: ["a", "b"] })), "select");
  assert.equal(inputOf(field("f", "String", { list: true })), "lines");
  assert.equal(inputOf(field("f", "BigInt", { list: true })), "json");
  assert.equal(stepOf(field("f", "BigInt")), "1");
  assert.equal(stepOf(field("f", "Decimal")), "any");
});

test("what a sample holds goes through the form and comes out as it was", () => {
  const fields = [
    field("order", "String"), field("quantity", "BigInt"), field("at", "DateTime"), field("day", "Date"), field("price", "Decimal"),
    field("gift", "Boolean"), field("stage", "String", { choices: ["sold", "lost"] }), field("level", "BigInt", { choices: [1, 2] }),
    field("tags", "String", { list: true }), field("extra", "JSON"),
  ];
  const sample = {
    order: "o-1", quantity: 2, at: "2013-01-01T10:15:00Z", day: "2013-01-01", price: "9.90",
    gift: true, stage: "lost", level: 2, tags: ["a", "b"], extra: { deep: [1, null] },
  };
  assert.deepEqual(variables(fields, start(fields, sample)), { input: sample, errors: {} });
});

test("an instant with an offset is shown in UTC", () => {
  const fields = [field("at", "DateTime")];
  const values = start(fields, { at: "2026-01-31T12:00:30+02:00" });
  assert.deepEqual(values, { at: "2026-01-31T10:00:30" });
  assert.deepEqual(variables(fields, values).input, { at: "2026-01-31T10:00:30Z" });
});

test("what is empty and need not be there is left out; what must be there is asked for at its field", () => {
  const fields = [field("note", "String", { required: false }), field("at", "DateTime"), field("n", "BigInt"), field("who", "String"), field("more", "JSON")];
  const { input, errors } = variables(fields, { note: "", at: "", n: "", who: "", more: "" });
  assert.deepEqual(input, {});
  assert.deepEqual(errors, { at: "say date and time", n: "say a number", who: "is needed", more: "is needed, as JSON" });
});

test("numbers stay exact", () => {
  const fields = [field("big", "BigInt"), field("price", "Decimal"), field("half", "Float"), field("whole", "BigInt")];
  const { input, errors } = variables(fields, { big: "9007199254740993", price: "0.10", half: "0.5", whole: "1.5" });
  assert.deepEqual(input, { big: "9007199254740993", price: "0.10", half: 0.5 });
  assert.deepEqual(errors, { whole: "say a whole number" });
});

test("a sample that is no choice gives way to the first that is", () => {
  const outcome = field("outcome", "String", { choices: ["sold", "lost"] });
  assert.deepEqual(start([outcome], { outcome: "outcome-1" }), { outcome: "sold" });
  assert.deepEqual(start([{ ...outcome, required: false }]), { outcome: "" });
});

test("a default is what the form starts with", () => {
  assert.deepEqual(start([field("n", "BigInt", { default: 3, required: false }), field("ok", "Boolean")]), { n: "3", ok: false });
});

test("an error stands at the field it names, and says only what is wrong there", () => {
  const fields = [field("quantity", "BigInt"), field("at", "DateTime"), field("lines", "JSON"), field("sku", "String")];
  const at = (name, message) => ({ message, extensions: { code: "BAD_INPUT", field: `input.${name}` } });
  assert.deepEqual(
    placed(
      [
        at("quantity", "input.quantity: the command does not fit: Expected `int` >= 1 - at `$.quantity`"),
        at("at", "Variable '$input' got invalid value 'x' at 'input.at'; DateTime cannot represent 'x': write 2026-01-31T12:00:00Z or an offset"),
        at("lines[0].amount", "input.lines[0].amount: the command does not fit: Expected `int` >= 1 - at `$.lines[0].amount`"),
        at("sku", "Variable '$input' got invalid value {'quantity': 1}; Field 'sku' of required type 'String!' was not provided."),
      ],
      fields,
    ),
    {
      fields: {
        quantity: "expected a whole number >= 1",
        at: "DateTime cannot represent 'x': write 2026-01-31T12:00:00Z or an offset",
        lines: "[0].amount: expected a whole number >= 1",
        sku: "is needed",
      },
      above: [],
    },
  );
});

test("what the business refuses stands above the form, and so does a field that the form does not have", () => {
  const refused = { message: "order 'o-1' is already placed: choose another id", extensions: { code: "REJECTED" } };
  const elsewhere = { message: "input.extra: no", extensions: { code: "BAD_INPUT", field: "input.extra" } };
  const masked = { message: "internal error", extensions: { code: "INTERNAL", trace: "abc" } };
  const found = placed([refused, elsewhere, masked, { message: "?" }], [field("order", "String")]);
  assert.deepEqual(found.fields, {});
  assert.deepEqual(found.above.map(({ code }) => code), ["REJECTED", "BAD_INPUT", "INTERNAL", ""]);
  assert.equal(found.above[2].trace, "abc");
});

test("the mutation takes the input and an idempotency key", () => {
  const text = mutation({ name: "PlaceOrder", mutation: "placeOrder" });
  assert.match(text, /mutation PlaceOrder\(\$input: PlaceOrderInput!, \$key: String\)/);
  assert.match(text, /placeOrder\(input: \$input, key: \$key\) {\s+token\s+replayed\s+}/);
});
