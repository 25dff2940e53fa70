// What a visitor asks of the rows: conditions on fields, with the operators that the generated GraphQL has for each.

import { html, useEffect, useRef, useState } from "./core.js";
import { operatorsOf, valueOf } from "./questions.js";

const WORDS = {
  eq: "is",
  ne: "is not",
  in: "is one of",
  lt: "is less than",
  le: "is at most",
  gt: "is more than",
  ge: "is at least",
  startsWith: "starts with",
  contains: "contains",
  isNull: "is missing",
};
const TYPED_MS = 350;

let numbers = 0;
const fresh = (field) => ({ id: ++numbers, name: field.graphql, op: operatorsOf(field)[0], text: "" });

// what is wrong with a condition, in words; "" for nothing, null while there is nothing typed yet
export function problemOf(field, { op, text }) {
  if (text === "" && op !== "isNull") return null;
  try {
    valueOf(field, op, text);
    return "";
  } catch (error) {
    return error.message;
  }
}

function Value({ field, condition, onChange, problem, describedby }) {
  const given = {
    "aria-label": `value for ${field.graphql}`,
    "aria-invalid": problem ? "true" : undefined,
    "aria-describedby": problem ? describedby : undefined,
    value: condition.text,
  };
  const picked = (event) => onChange({ text: event.target.value });
  if (condition.op === "isNull") return html`<select ...${given} onChange=${picked}><option value="yes">yes</option><option value="no">no</option></select>`;
  const choices = field.type === "Boolean" ? ["true", "false"] : condition.op === "in" ? null : field.choices;
  if (choices) {
    return html`<select ...${given} onChange=${picked}><option value="">…</option>${choices.map((each) => html`<option value=${each}>${each}</option>`)}</select>`;
  }
  const hint = condition.op === "in" ? "a, b, c" : { DateTime: "2013-01-31 12:00 UTC", Date: "2013-01-31" }[field.type];
  return html`<input ...${given} placeholder=${hint} inputmode=${["Int", "BigInt", "Float", "Decimal"].includes(field.type) && condition.op !== "in" ? "decimal" : undefined} onInput=${picked} spellcheck=${false} autocomplete="off" />`;
}

function Condition({ fields, condition, onChange, onRemove, focus }) {
  const field = fields.find((each) => each.graphql === condition.name);
  const problem = problemOf(field, condition);
  const first = useRef(null);
  useEffect(() => focus && first.current?.focus(), []);
  const chosen = (event) => {
    const next = fields.find((each) => each.graphql === event.target.value);
    const op = operatorsOf(next).includes(condition.op) ? condition.op : operatorsOf(next)[0];
    onChange({ name: next.graphql, op, text: op === "isNull" ? "yes" : "" });
  };
  const operated = (event) => onChange({ op: event.target.value, text: event.target.value === "isNull" ? "yes" : condition.op === "isNull" ? "" : condition.text });
  return html`<li class="rows-condition ${problem ? "bad" : ""}">
    <select ref=${first} aria-label="field" value=${condition.name} onChange=${chosen}>${fields.map((each) => html`<option value=${each.graphql}>${each.graphql}</option>`)}</select>
    <select aria-label="comparison" value=${condition.op} onChange=${operated}>${operatorsOf(field).map((op) => html`<option value=${op}>${WORDS[op] ?? op}</option>`)}</select>
    <${Value} field=${field} condition=${condition} onChange=${onChange} problem=${problem} describedby=${`rows-problem-${condition.id}`} />
    <button type="button" class="plain rows-remove" aria-label=${`Remove the filter on ${condition.name}`} onClick=${onRemove}>✕</button>
    ${problem && html`<p class="rows-problem" id=${`rows-problem-${condition.id}`} role="status">${problem}</p>`}
  </li>`;
}

// `onAsk` gets the conditions that are whole, a moment after the last key
export function FilterBar({ fields, onAsk, children }) {
  const usable = fields.filter((field) => operatorsOf(field).length > 0);
  const [conditions, setConditions] = useState([]);
  const added = useRef(false);
  const whole = conditions.filter((condition) => problemOf(usable.find((each) => each.graphql === condition.name), condition) === "");
  useEffect(() => {
    const timer = setTimeout(() => onAsk(whole), added.current ? TYPED_MS : 0);
    return () => clearTimeout(timer);
  }, [JSON.stringify(whole)]);
  const change = (id, what) => setConditions(conditions.map((each) => (each.id === id ? { ...each, ...what } : each)));
  const add = () => {
    added.current = true;
    setConditions([...conditions, fresh(usable[0])]);
  };
  return html`<div class="rows-filters" role="search" aria-label="Filter the rows">
    ${conditions.length > 0 &&
    html`<ul>${conditions.map(
      (condition) => html`<${Condition} key=${condition.id} fields=${usable} condition=${condition} focus=${added.current}
        onChange=${(what) => change(condition.id, what)} onRemove=${() => setConditions(conditions.filter((each) => each !== condition))} />`,
    )}</ul>`}
    <div class="rows-tools">
      <button type="button" onClick=${add} disabled=${usable.length === 0}>+ Filter</button>
      ${children}
    </div>
  </div>`;
}
