// The input of one field of a command, as its type wants it.

import { admin, html, time, useEffect, useState } from "./core.js";
import { inputOf, stepOf } from "./form.js";
import { Field } from "./ui.js";

const TYPING_MS = 200;
const OFFERED = 10;
const LONG = 60;

export function Input({ field, kind, value, error, change }) {
  const input = inputOf(field);
  if (input === "checkbox") return html`<${Checkbox} field=${field} value=${value} error=${error} change=${change} />`;
  const says = [input === "select" ? field.doc.replace(/\s*One of [^.]*\./, "") : field.doc, input === "datetime-local" ? zoned(value) : NOTES[input]].filter(Boolean).join(" · ");
  return html`<${Field} label=${field.graphql} hint=${says} error=${error} required=${field.required}>
    ${(given) => html`<${Inside} ...${{ given, input, field, kind, value: value ?? "", change }} />`}
  <//>`;
}

const NOTES = { json: "JSON", lines: "one a line" };

// an instant is typed in UTC, whatever the browser's zone; what that is here, beside it
function zoned(value) {
  const at = new Date(`${value}Z`);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return value && !Number.isNaN(at.getTime()) && zone !== "UTC" ? `UTC, which is ${time(at.toISOString())} in ${zone}` : "UTC";
}

function Inside({ given, input, field, kind, value, change }) {
  const told = { ...given, name: field.graphql, value, onInput: (event) => change(event.target.value) };
  if (input === "json" || input === "lines") return html`<textarea ...${told} rows=${Math.min(12, Math.max(3, value.split("\n").length))} spellcheck="false"></textarea>`;
  if (input === "select") {
    return html`<select ...${told}>
      ${!field.required && html`<option value=""></option>`}
      ${field.choices.map((choice) => html`<option key=${String(choice)} value=${String(choice)}>${String(choice)}</option>`)}
    </select>`;
  }
  if (input === "number") return html`<input ...${told} type="number" step=${stepOf(field)} inputmode=${stepOf(field) === "1" ? "numeric" : "decimal"} />`;
  if (input === "datetime-local") return html`<input ...${told} type="datetime-local" step="1" />`;
  if (input === "date") return html`<input ...${told} type="date" />`;
  if (field.id) return html`<${Id} told=${told} kind=${kind} />`;
  return html`<input ...${told} type="text" autocomplete="off" spellcheck="false" class=${value.length > LONG ? "long" : ""} />`;
}

// the streams that are there are offered while one types
function Id({ told, kind }) {
  const [offered, setOffered] = useState([]);
  useEffect(() => {
    let over = false;
    const timer = setTimeout(async () => {
      const { streams } = await admin("streams", { kind, prefix: told.value, limit: OFFERED }).catch(() => ({ streams: [] }));
      if (!over) setOffered(streams.map(({ id }) => id));
    }, TYPING_MS);
    return () => ((over = true), clearTimeout(timer));
  }, [kind, told.value]);
  const list = `${told.id}-list`;
  return html`<input ...${told} type="text" autocomplete="off" spellcheck="false" list=${list} />
    <datalist id=${list}>${offered.map((id) => html`<option key=${id} value=${id}></option>`)}</datalist>`;
}

function Checkbox({ field, value, error, change }) {
  const id = `checked-${field.graphql}`;
  return html`<div class="field try-checkbox">
    <label for=${id}><input id=${id} name=${field.graphql} type="checkbox" checked=${value === true} aria-invalid=${error ? "true" : undefined} aria-describedby=${error ? `${id}-error` : undefined} onChange=${(event) => change(event.target.checked)} /> ${field.graphql}</label>
    ${field.doc && html`<p class="hint">${field.doc}</p>`}
    ${error && html`<p class="field-error" id="${id}-error">${error}</p>`}
  </div>`;
}
