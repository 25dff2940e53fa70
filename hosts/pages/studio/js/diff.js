// What changed between two JSON values, as the lines of one text: what came, what went, and what is still there.

// The lines of `after` as indented JSON, with those of `before` that are gone in their places.
// Each is {depth, text, mark: "same" | "added" | "removed" | "changed", was}; `was` is the old text of a changed value.
export function lines(before, after) {
  return value("", before, after, 0, "");
}

// How many lines came, went and changed.
export function tally(marked) {
  const count = { added: 0, removed: 0, changed: 0 };
  for (const line of marked) if (line.mark in count) count[line.mark] += 1;
  return count;
}

const NOTHING = Symbol("nothing");
const holds = (value) => value !== null && typeof value === "object";
const alike = (one, other) => holds(one) && holds(other) && Array.isArray(one) === Array.isArray(other);

// Whether two JSON values say the same, whatever the order of their fields.
export function same(one, other) {
  if (!alike(one, other)) return one === other;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => Object.hasOwn(other, name) && same(one[name], other[name]));
}

function value(label, before, after, depth, comma) {
  if (before === NOTHING) return whole(label, after, depth, "added", comma);
  if (after === NOTHING) return whole(label, before, depth, "removed", comma);
  if (alike(before, after)) return inside(label, before, after, depth, comma);
  if (same(before, after)) return whole(label, after, depth, "same", comma);
  if (before === null && holds(after)) return whole(label, after, depth, "added", comma); // it began to be
  if (holds(before) || holds(after)) {
    return [...whole(label, before, depth, "removed", comma), ...whole(label, after, depth, "added", comma)];
  }
  return [{ depth, text: `${label}${JSON.stringify(after)}${comma}`, mark: "changed", was: JSON.stringify(before) }];
}

function inside(label, before, after, depth, comma) {
  const [open, close] = Array.isArray(after) ? "[]" : "{}";
  const names = merged(Object.keys(before), Object.keys(after));
  if (names.length === 0) return [{ depth, text: `${label}${open}${close}${comma}`, mark: "same" }];
  const of = (from, name) => (Object.hasOwn(from, name) ? from[name] : NOTHING);
  const last = Object.keys(after).at(-1);
  const found = [{ depth, text: label + open, mark: "same" }];
  for (const name of names) {
    const inner = Array.isArray(after) ? "" : `${JSON.stringify(name)}: `;
    found.push(...value(inner, of(before, name), of(after, name), depth + 1, name === last ? "" : ","));
  }
  return [...found, { depth, text: close + comma, mark: "same" }];
}

// The fields of both: those of `after` in their order, each gone one behind the field that it followed.
function merged(before, after) {
  const names = [...after];
  before.forEach((name, place) => {
    if (names.includes(name)) return;
    const at = place === 0 ? 0 : names.indexOf(before[place - 1]) + 1;
    names.splice(at, 0, name);
  });
  return names;
}

function whole(label, json, depth, mark, comma) {
  const texts = JSON.stringify(json, null, 2).split("\n");
  return texts.map((text, n) => {
    const indent = text.length - text.trimStart().length;
    const ending = n === texts.length - 1 ? comma : "";
    return { depth: depth + indent / 2, text: `${n === 0 ? label : ""}${text.trimStart()}${ending}`, mark };
  });
}
