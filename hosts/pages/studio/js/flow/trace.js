// One command's way: which hop it reached when, and how long it took there; as light on the picture and as bars under it.

import { ago, html, ms, sentOf, to } from "../core.js";
import { Badge } from "../ui.js";

// What a trace calls its hops, what the picture calls them, and what happens there.
const KNOWN = {
  command: { id: () => "commands", kind: "write", told: "from its arrival to its answer" },
  append: { id: () => "store", kind: "write", told: "the events are stored" },
  relay: { id: () => "relay", kind: "write", told: "published" },
  project: { id: (part) => `group ${part}`, kind: "read", told: "folded into rows" },
  dispatch: { id: (part) => `outbox ${part}`, kind: "saga", told: "the next command sent" },
  push: { id: () => "gateway", kind: "read", told: "pushed to subscribers" },
};

export const SEEN = "browser sees the row";

// the hops of a trace with what this browser saw of it, if it sent the command: [{name, kind, id, told, from, to, note}], by their beginning
export function steps(trace, model) {
  const sagas = new Set(model.groups.filter((group) => group.saga).map((group) => group.name));
  const groupOf = (saga) => model.sagas.find((one) => one.name === saga)?.group ?? saga;
  const found = trace.hops.map((hop) => {
    const [what, part = ""] = hop.name.split(/ (.*)/s);
    const known = KNOWN[what] ?? { id: () => "", kind: "write", told: "" };
    const isSaga = what === "project" && sagas.has(part);
    return {
      name: hop.name,
      id: known.id(what === "dispatch" ? groupOf(part) : part),
      kind: isSaga ? "saga" : known.kind,
      told: isSaga ? "the saga decides what follows" : known.told,
      from: hop.from_ms,
      to: hop.to_ms,
      note: hop.note,
    };
  });
  return [...found, ...seenHere(trace)].sort((one, other) => one.from - other.from || one.to - other.to);
}

// The browser and the server are on one machine, so they have one clock; what is told to the millisecond may still be off by one.
function seenHere(trace) {
  const mine = trace.token ? sentOf(trace.token) : undefined;
  if (!mine) return [];
  const since = (at) => at - Date.parse(trace.at);
  const sent = Math.min(0, since(mine.sent));
  const here = (name, told, from, until) => ({ name, id: "clients", kind: "client", told, from, to: Math.max(from, until), note: "" });
  const found = [here("browser sends", "from the form to the gateway", sent, 0)];
  found.push(here("browser is answered", "the command took effect, and has a token", since(mine.answered), since(mine.answered)));
  if (mine.seen) found.push(here(SEEN, "by a live subscription", since(mine.seen), since(mine.seen)));
  return found;
}

// What the picture shows: {hop id: {text, more}}. Storing is a part of carrying a command out, so its time is not told twice.
export function litBy(found) {
  const lit = {};
  for (const step of found.filter((one) => one.id)) {
    const before = lit[step.id] ?? { from: step.from, took: 0 };
    lit[step.id] = { from: Math.min(step.from, before.from), took: before.took + step.to - step.from };
  }
  if (lit.commands && lit.store) lit.commands.took = Math.max(0, lit.commands.took - lit.store.took);
  for (const hop of Object.values(lit)) {
    hop.text = hop.took > 0 ? ms(hop.took) : `at ${ms(Math.max(0, hop.from))}`;
    hop.more = hop.took > 0 && hop.from > 0 ? `after ${ms(hop.from)}` : hop.took > 0 ? "at first" : "";
  }
  if (lit.relay) lit.bus = { text: "✓", more: "carried it" };
  if (found.some((step) => step.name.startsWith("project ") && step.kind === "read")) lit.rows = { text: "✓", more: "holds the row" };
  if (found.some((step) => step.name === SEEN)) lit.gateway ??= { text: "✓", more: "pushed the row" };
  if (lit.clients) lit.clients = onScreen(found, lit.clients.from);
  return lit;
}

// from sending to the row on the screen; where no row was seen, to the answer
function onScreen(found, sent) {
  const seen = found.find((step) => step.name === SEEN);
  const end = seen ?? found.findLast((step) => step.id === "clients");
  return { text: ms(end.to - sent), more: seen ? "from sending to seeing" : "from sending to the answer" };
}

// a bar for every hop, on one scale of time
export function Waterfall({ found }) {
  const first = Math.min(0, ...found.map((step) => step.from));
  const last = Math.max(first + 1, ...found.map((step) => step.to));
  const share = (at) => (100 * (at - first)) / (last - first);
  return html`<ol class="waterfall">
    ${found.map(
      (step) => html`<li class=${step.kind}>
        <span class="step-name">${step.name}</span>
        <span class="step-told">${[step.told, step.note].filter(Boolean).join(" · ")}</span>
        <span class="step-line" aria-hidden="true"><span class="step-bar" style=${{ left: `${Math.min(99, share(step.from))}%`, width: `${Math.max(0.6, share(step.to) - share(step.from))}%` }}></span></span>
        <span class="step-ms"><span class="quiet">at ${step.from < 0 ? "−" : ""}${ms(Math.abs(step.from))}</span> ${step.to > step.from ? html`<b>${ms(step.to - step.from)}</b>` : ""}</span>
      </li>`,
    )}
  </ol>`;
}

// where the time of one command went
function Line({ found }) {
  const all = Math.max(0.001, ...found.map((step) => step.to));
  const place = (step) => ({ left: `${(100 * Math.max(0, step.from)) / all}%`, width: `${Math.max(1, (100 * (step.to - Math.max(0, step.from))) / all)}%` });
  return html`<span class="trace-line" aria-hidden="true">${found.map((step) => html`<span class=${step.kind} style=${place(step)}></span>`)}</span>`;
}

// the newest traces, each with a small picture of its hops
export function Traces({ traces, model }) {
  return html`<ul class="traces">
    ${traces.map(
      (trace) => html`<li key=${trace.id}>
        <a href=${to("flow", trace.token ?? trace.id)}>
          <span class="trace-name">${trace.command} ${trace.error && html`<${Badge} tone="bad">refused</${Badge}>`}</span>
          <span class="trace-ms">${ms(trace.ms)}</span>
          <span class="trace-of">${trace.token ?? trace.stream ?? trace.error ?? ""}</span>
          <span class="trace-ago">${ago(trace.at)}</span>
          <${Line} found=${steps(trace, model)} />
        </a>
      </li>`,
    )}
  </ul>`;
}
