// The rows of any exposed part, live: filtered, sorted, and each with its details.

import { css, html, json, number, to, useCallback, useEffect, useMemo, useState } from "../core.js";
import { Badge, Dialog, Empty, Loading, Problem } from "../ui.js";
import { streamOf } from "../cells.js";
import { FilterBar } from "../filterbar.js";
import { turned } from "../order.js";
import { whereOf } from "../questions.js";
import { useRows } from "../rowsource.js";
import { RowTable } from "../rowtable.js";

const NARROW_COLUMNS = 4;

css("rows");

function Columns({ fields, hidden, onChange }) {
  const turn = (name) => (event) => {
    const next = new Set(hidden);
    if (event.target.checked) next.delete(name);
    else next.add(name);
    onChange(next);
  };
  return html`<details class="rows-columns">
    <summary class="button">Columns ${hidden.size > 0 && html`<span class="quiet">${fields.length - hidden.size} of ${fields.length}</span>`}</summary>
    <fieldset><legend class="unseen">Columns shown</legend>
      ${fields.map((field, place) => html`<label><input type="checkbox" checked=${!hidden.has(field.graphql)} disabled=${place === 0} onChange=${turn(field.graphql)} /> ${field.graphql}</label>`)}
    </fieldset>
  </details>`;
}

// what is counted now and how fast it changes, once a second: not with every change
function useFigures(rows) {
  const [figures, setFigures] = useState({ size: 0, perS: 0, more: false });
  useEffect(() => {
    let last = rows.changes;
    const look = (seconds) => {
      setFigures({ size: rows.size, perS: Math.max(0, rows.changes - last) / seconds, more: rows.more === true });
      last = rows.changes;
    };
    look(1);
    const soon = setTimeout(() => look(1), 300);
    const timer = setInterval(() => look(1), 1_000);
    return () => (clearTimeout(soon), clearInterval(timer));
  }, [rows]);
  return figures;
}

function Status({ told }) {
  const { size, perS, more } = useFigures(told.rows);
  const count = told.windowed ? `more than ${number(told.limit ?? 10_000)} rows` : `${number(size)} ${size === 1 ? "row" : "rows"}`;
  const tone = told.state === "live" ? "good" : told.state === "lost" ? "warn" : "";
  const word = { live: "live", lost: "reconnecting", changing: "asking" }[told.state] ?? "loading";
  return html`<p class="rows-status"><strong>${count}</strong> <${Badge} tone=${tone}>${word}<//>
    ${told.state === "live" && html`<span class="quiet">${perS >= 0.5 ? `${number(perS)} changes/s` : "no changes just now"}${told.windowed ? " in view" : ""}</span>`}
    ${told.windowed && more && html`<span class="unseen">more are fetched when you scroll</span>`}
  </p>`;
}

function Details({ model, part, entry, onClose }) {
  const stream = streamOf(model, part, entry.row);
  return html`<${Dialog} title=${`${part.part} ${part.key.map((name) => entry.row[name]).join(" · ")}`} onClose=${onClose}>
    <pre class="rows-json" tabindex="0">${json(entry.row)}</pre>
    <p class="quiet rows-revision">${entry.revision ? `revision ${entry.revision.n} of generation ${entry.revision.generation}` : "found page by page"}${entry.gone ? "; no longer among these rows" : ""}</p>
    ${stream && html`<div class="dialog-actions"><a class="button" href=${to("streams", stream)}>Stream ${stream}</a></div>`}
  <//>`;
}

function Rows({ model, part }) {
  const [conditions, setConditions] = useState([]);
  const [order, setOrder] = useState(() => part.key.map((name) => ({ name, down: false })));
  const [opened, setOpened] = useState(null);
  const narrow = window.innerWidth < 700;
  const [hidden, setHidden] = useState(() => new Set(narrow ? columnsOf(part).slice(NARROW_COLUMNS).map((field) => field.graphql) : []));

  const typed = useMemo(() => order.map((term) => ({ ...term, type: part.fields.find((field) => field.graphql === term.name)?.type })), [order]);
  const where = useMemo(() => whereOf(part, conditions), [conditions]);
  const told = useRows(part, where, typed);
  const fields = useMemo(() => columnsOf(part).filter((field) => !hidden.has(field.graphql)), [part, hidden]);
  const sort = (name, more) => setOrder(turned(order, name, more));
  const open = useCallback((entry) => setOpened(entry), []);

  const { rows, windowed, state, error } = told;
  const failed = error !== null && !(windowed && error.code === "LIMIT_EXCEEDED");
  return html`
    <${FilterBar} fields=${part.fields} onAsk=${setConditions}>
      <${Columns} fields=${columnsOf(part)} hidden=${hidden} onChange=${setHidden} />
      <${Status} told=${told} />
    <//>
    ${windowed && html`<p class="rows-note">More than ${number(told.limit ?? 10_000)} rows match. They come page by page as you scroll, in the order you chose; those in view are live, and the first page is looked up again every few seconds. Narrow the filter to follow all of them at once.</p>`}
    ${failed && html`<${Problem} error=${error} />`}
    <${Body} told=${told} part=${part} isFiltered=${conditions.length > 0}>
      <div class=${state === "lost" ? "stale" : ""}>
        <${RowTable} label=${`Rows of ${part.part}`} rows=${rows} fields=${fields} order=${order} onSort=${sort} onOpen=${open} busy=${state === "loading" || state === "changing"} />
      </div>
    <//>
    ${opened && html`<${Details} model=${model} part=${part} entry=${opened} onClose=${() => setOpened(null)} />`}
  `;
}

function Body({ told, part, isFiltered, children }) {
  const { rows, state, error } = told;
  const [size, setSize] = useState(rows.size);
  useEffect(() => {
    setSize(rows.size);
    return rows.onChange(() => setSize(Math.min(rows.size, 1))); // only whether there are any
  }, [rows]);
  if (size > 0) return children;
  if (state === "loading" && error === null) return html`<${Loading} what=${`rows of ${part.part}`} />`;
  if (error !== null && !told.windowed) return null;
  if (isFiltered) return html`<${Empty} title="No row passes this filter">They appear here by themselves as soon as one does.<//>`;
  return html`<${Empty} title=${`No rows of ${part.part} yet`}>They appear here by themselves as soon as events make them. <a href="#/try">Send a command</a>.<//>`;
}

// keys first
function columnsOf(part) {
  const keys = part.key.map((name) => part.fields.find((field) => field.graphql === name)).filter(Boolean);
  return [...keys, ...part.fields.filter((field) => !keys.includes(field))];
}

export default function View({ model, route }) {
  const parts = model.rows.filter((part) => part.many);
  const part = parts.find((each) => each.part === route.args[0]) ?? (route.args.length === 0 ? parts[0] : undefined);
  if (parts.length === 0) return html`<h1>Rows</h1><${Empty} title="This app shows no rows">Name what it shows: <code>App(…, api=(expose(part, allow=…),))</code><//>`;
  return html`
    <h1 class="rows-title">Rows</h1>
    <nav aria-label="Parts" class="rows-parts"><ul>
      ${parts.map((each) => html`<li key=${each.part}><a href=${to("rows", each.part)} aria-current=${each === part ? "page" : undefined}>${each.part}</a></li>`)}
    </ul></nav>
    ${part ? html`${part.doc && html`<p class="quiet rows-doc">${part.doc}</p>`}<${Rows} key=${part.part} model=${model} part=${part} />` : html`<${Empty} title=${`No part ${route.args[0]}`}>Choose one above.<//>`}
  `;
}
