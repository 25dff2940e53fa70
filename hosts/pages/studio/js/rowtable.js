// A long table of rows: only those in view stand in the page, the head stays, and what changed is lit for a moment.

import { html, useEffect, useLayoutEffect, useReducer, useRef } from "./core.js";
import { cellText, isNumeric, widthOf } from "./cells.js";
import { entryOf } from "./rowsource.js";
import { span } from "./virtual.js";

const EVERY_MS = 120; // changes are shown so often at most: nobody reads faster, and the rest of the time is for scrolling
const FLASH_MS = 900;
const FLASHES = 80; // at most at once
const ROW_PX = 34;

const still = matchMedia("(prefers-reduced-motion: reduce)");
let flashing = 0;

function flash(cell) {
  if (still.matches || flashing >= FLASHES || cell === null) return;
  flashing += 1;
  const lit = cell.animate([{ backgroundColor: "var(--accent-soft)" }, { backgroundColor: "transparent" }], { duration: FLASH_MS, easing: "ease-out" });
  lit.onfinish = lit.oncancel = () => (flashing -= 1);
}

function Row({ entry, stamp, index, fields, onOpen, isKey }) {
  const here = useRef(null);
  const first = useRef(stamp);
  useLayoutEffect(() => {
    const fresh = first.current === stamp && (entry.at === 0 || performance.now() - entry.at > 1_000);
    first.current = -1;
    if (fresh || !entry.changed) return;
    for (const name of entry.changed) {
      const place = fields.findIndex((field) => field.graphql === name);
      if (place >= 0) flash(here.current.children[place]);
    }
  }, [stamp]);
  const opened = (event) => (event.preventDefault(), onOpen(entry));
  return html`<tr ref=${here} aria-rowindex=${index + 2} class=${entry.gone ? "rows-gone" : ""} onClick=${opened}>
    ${fields.map((field, place) => {
      const text = cellText(field, entry.row[field.graphql]);
      const tone = `${isNumeric(field) ? "numeric" : ""} ${entry.row[field.graphql] === null ? "quiet" : ""}`;
      if (place > 0) return html`<td class=${tone} title=${text.length > 30 ? text : undefined}>${text}</td>`;
      return html`<th scope="row" class=${tone}><button type="button" class="rows-open" title=${text}>${text}${entry.gone && html`<span class="unseen"> (no longer among these rows)</span>`}</button></th>`;
    })}
  </tr>`;
}

function Head({ fields, order, onSort }) {
  const sortOf = (name) => order.findIndex((term) => term.name === name);
  return html`<thead><tr aria-rowindex="1">
    ${fields.map((field) => {
      const place = sortOf(field.graphql);
      const down = place >= 0 && order[place].down;
      const sortable = !field.select && !field.list && field.type !== "JSON";
      const mark = place < 0 ? "" : `${down ? "▼" : "▲"}${order.length > 1 ? place + 1 : ""}`;
      return html`<th scope="col" class=${isNumeric(field) ? "numeric" : ""} aria-sort=${place < 0 ? undefined : down ? "descending" : "ascending"} title=${field.doc || undefined}>
        ${sortable ? html`<button type="button" class="rows-sort" onClick=${(event) => onSort(field.graphql, event.shiftKey)}>${field.graphql}<span class="rows-mark" aria-hidden="true">${mark}</span></button>` : field.graphql}
      </th>`;
    })}
  </tr></thead>`;
}

// draws again when rows changed, at most every so often
function useDrawn(rows) {
  const [, draw] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    let timer = 0;
    let last = 0;
    const stop = rows.onChange(() => {
      if (timer !== 0) return;
      timer = setTimeout(() => ((timer = 0), (last = performance.now()), draw()), Math.max(0, EVERY_MS - (performance.now() - last)));
    });
    draw();
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [rows]);
  return draw;
}

export function RowTable({ label, rows, fields, order, onSort, onOpen, busy }) {
  const scroller = useRef(null);
  const place = useRef({ top: 0, height: 600 });
  const drawn = useRef(new WeakMap()); // by entry: the row as it was made last, to be left alone while nothing changed
  const widths = useRef({});
  const draw = useDrawn(rows);

  useLayoutEffect(() => {
    const element = scroller.current;
    let due = false;
    const moved = () => {
      if (due) return;
      due = true;
      requestAnimationFrame(() => {
        due = false;
        place.current = { top: element.scrollTop, height: element.clientHeight };
        draw();
      });
    };
    element.addEventListener("scroll", moved, { passive: true });
    const sized = new ResizeObserver(moved);
    sized.observe(element);
    return () => (element.removeEventListener("scroll", moved), sized.disconnect());
  }, []);
  useEffect(() => {
    scroller.current.scrollTop = 0;
  }, [JSON.stringify(order), rows]);

  const { top, height } = place.current;
  const { from, to, before, after } = span(top, height - ROW_PX, ROW_PX, rows.size);
  useEffect(() => rows.look?.(from, to), [rows, from, to, rows.size]);

  const shown = [];
  const body = [];
  for (let index = from; index < to; index++) {
    const entry = entryOf(rows, index);
    if (entry !== undefined) shown.push(entry.row);
    body.push(entry === undefined ? html`<tr key=${`wait-${index}`} class="rows-wait"><td colspan=${fields.length}><span></span></td></tr>` : made(entry, index));
  }

  function made(entry, index) {
    const was = drawn.current.get(entry);
    if (was && was.stamp === entry.stamp && was.index === index && was.fields === fields && was.onOpen === onOpen) return was.node;
    const node = html`<${Row} key=${entry.key} entry=${entry} stamp=${entry.stamp} index=${index} fields=${fields} onOpen=${onOpen} />`;
    drawn.current.set(entry, { stamp: entry.stamp, index, fields, onOpen, node });
    return node;
  }

  for (const field of fields) widths.current[field.graphql] = widthOf(field, shown, widths.current[field.graphql]);
  const whole = fields.reduce((sum, field) => sum + widths.current[field.graphql], 0);
  return html`<div class="rows-scroll" ref=${scroller} role="region" aria-label=${label} tabindex="0" aria-busy=${busy ? "true" : undefined}>
    <table class="rows-table" aria-rowcount=${rows.more ? -1 : rows.size + 1} style=${{ minWidth: `${whole}ch` }}>
      <colgroup>${fields.map((field) => html`<col style=${{ width: `${(widths.current[field.graphql] / whole) * 100}%` }} />`)}</colgroup>
      <${Head} fields=${fields} order=${order} onSort=${onSort} />
      <tbody>
        ${before > 0 && html`<tr key="before" aria-hidden="true" class="rows-space"><td colspan=${fields.length} style=${{ height: `${before}px` }}></td></tr>`}
        ${body}
        ${after > 0 && html`<tr key="after" aria-hidden="true" class="rows-space"><td colspan=${fields.length} style=${{ height: `${after}px` }}></td></tr>`}
      </tbody>
    </table>
  </div>`;
}
