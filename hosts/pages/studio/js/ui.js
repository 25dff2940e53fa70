// Small components that the views share: what is said when there is nothing, nothing yet, no server, or a problem.

import { html, useEffect, useRef } from "./core.js";

// nothing is there, and what would bring it here
export function Empty({ title, children }) {
  return html`<div class="empty"><${Boat} /><p class="empty-title">${title}</p><div class="empty-text">${children}</div></div>`;
}

export function Loading({ what = "" }) {
  return html`<div class="loading" role="status"><span class="loading-bar" aria-hidden="true"></span>Loading ${what} …</div>`;
}

// a note above data that is no longer fresh
export function Lost({ children = "Not live just now: this is what was last seen. Reconnecting …" }) {
  return html`<p class="lost" role="status">${children}</p>`;
}

// `error` is a Failure or a text; `again` offers to try once more
export function Problem({ error, again }) {
  const code = error?.code ? html`<code>${error.code}</code> ` : null;
  return html`<div class="problem" role="alert">
    <p>${code}${error?.message ?? String(error)}</p>
    ${again && html`<button type="button" onClick=${again}>Try again</button>`}
  </div>`;
}

// tone: "" | good | warn | bad | accent
export function Badge({ tone = "", title, children }) {
  return html`<span class="badge ${tone}" title=${title}>${children}</span>`;
}

// A small table: columns are {title, of(row), numeric?, header?}; `rows` need a `key` or `keyOf`. It scrolls in itself on a phone.
export function Table({ caption, columns, rows, keyOf = (row) => row.key, hideCaption = false, rowClass = () => "" }) {
  return html`<div class="table" role="region" aria-label=${caption} tabindex="0">
    <table>
      <caption class=${hideCaption ? "unseen" : ""}>${caption}</caption>
      <thead><tr>${columns.map((column) => html`<th scope="col" class=${column.numeric ? "numeric" : ""}>${column.title}</th>`)}</tr></thead>
      <tbody>
        ${rows.map(
          (row, index) => html`<tr key=${keyOf(row) ?? index} class=${rowClass(row)}>
            ${columns.map((column) =>
              column.header
                ? html`<th scope="row">${column.of(row)}</th>`
                : html`<td class=${column.numeric ? "numeric" : ""}>${column.of(row)}</td>`,
            )}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

// a modal dialog, while it is mounted or `open`; Escape, the cross and a click beside it call `onClose`
export function Dialog({ open = true, ...given }) {
  return open ? html`<${Shown} ...${given} />` : null;
}

function Shown({ title, onClose, children }) {
  const here = useRef(null);
  useEffect(() => {
    const dialog = here.current;
    const before = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      before?.focus?.();
    };
  }, []);
  const cancelled = (event) => (event.preventDefault(), onClose());
  const outside = (event) => event.target === here.current && onClose();
  return html`<dialog ref=${here} class="dialog" aria-labelledby="dialog-title" onCancel=${cancelled} onClick=${outside}>
    <div class="dialog-inside">
      <div class="dialog-head"><h2 id="dialog-title">${title}</h2><button type="button" class="plain" aria-label="Close" onClick=${onClose}>✕</button></div>
      ${children}
    </div>
  </dialog>`;
}

let labels = 0;

// A labelled input with its hint and its problem. `children` is a function of {id, "aria-describedby", "aria-invalid", required} for
// the input itself: <${Field} label="Order">${(given) => html`<input ...${given} />`}</${Field}>
export function Field({ label, hint, error, required = false, children }) {
  const id = useRef(null);
  id.current ??= `field-${++labels}`;
  const described = [hint && `${id.current}-hint`, error && `${id.current}-error`].filter(Boolean).join(" ") || undefined;
  const given = { id: id.current, "aria-describedby": described, "aria-invalid": error ? "true" : undefined, required: required || undefined };
  const input = Array.isArray(children) ? children.find((child) => typeof child === "function") : children;
  return html`<div class="field ${error ? "has-error" : ""}">
    <label for=${id.current}>${label}${required && html`<span class="required" title="required" aria-hidden="true"> *</span>`}</label>
    ${input(given)}
    ${hint && html`<p class="hint" id="${id.current}-hint">${hint}</p>`}
    ${error && html`<p class="field-error" id="${id.current}-error">${error}</p>`}
  </div>`;
}

export function Boat() {
  return html`<svg class="boat" viewBox="0 0 32 32" aria-hidden="true">
    <path class="boat-main" d="M15 3v17H4C9 16 13 10 15 3z" />
    <path class="boat-jib" d="M17 6v14h9c-1-6-4-11-9-14z" />
    <path class="boat-hull" d="M2 23h28l-3 3H5zM6 28h20l-1 1.500H7z" />
  </svg>`;
}
