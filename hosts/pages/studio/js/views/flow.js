// The flow: the architecture as a living picture with its figures, the newest traces, and one command's way from hop to hop.

import { Failure, admin, ago, css, html, ms, number, sentChanges, time, useEffect, useMemo, usePolled, useState, useStore } from "../core.js";
import { pastOf, useFlow, waiting } from "../flowing.js";
import { hops } from "../flow/hops.js";
import { Picture } from "../flow/picture.js";
import { Spark } from "../flow/spark.js";
import { SEEN, Traces, Waterfall, litBy, steps } from "../flow/trace.js";
import { Badge, Empty, Loading, Problem, Table } from "../ui.js";

css("flow");

const GROWING_MS = 15_000; // a trace may get more hops for so long
const KEPT = 300;

// Traces that were shown: where many commands come, the server keeps one for seconds only, and whoever chose it wants to see it.
const shown = new Map();

function keep(trace) {
  for (const name of [trace.token, trace.id]) {
    if (!name) continue;
    shown.delete(name);
    shown.set(name, trace);
  }
  while (shown.size > KEPT) shown.delete(shown.keys().next().value);
  return trace;
}

export default function View({ model, route }) {
  const { data: flow, error, stale } = useFlow();
  if (!flow) return html`<h1>Flow</h1>${error && error.code !== "AWAY" ? html`<${Problem} error=${error} />` : html`<${Loading} what="the figures" />`}`;
  if (route.args.length) return html`<${OneTrace} key=${route.args[0]} name=${route.args[0]} flow=${flow} model=${model} />`;
  return html`<${Overview} flow=${flow} model=${model} stale=${stale} />`;
}

function Overview({ flow, model, stale }) {
  return html`<div class="flow">
    <div class="flow-top">
      <div><h1>Flow</h1><p class="quiet flow-doc">${model.doc || `What ${model.app} does just now`}</p></div>
      <${Headline} flow=${flow} stale=${stale} />
    </div>
    <div class="flow-parts">
      <section class="flow-picture" aria-labelledby="flow-picture"><h2 id="flow-picture" class="unseen">The architecture, live</h2>
        <${Picture} flow=${flow} model=${model} stale=${stale} />
        <${Figures} flow=${flow} model=${model} />
      </section>
      <${Newest} model=${model} />
    </div>
  </div>`;
}

function Headline({ flow, stale }) {
  const past = pastOf();
  const waits = waiting(flow);
  const isReplay = flow.clock && Math.abs(Date.parse(flow.clock) - Date.parse(flow.now)) > 60_000;
  return html`<dl class="headline ${stale ? "stale" : ""}">
    <div><dt>Commands</dt><dd><b>${number(flow.commands.per_s, true)}</b>/s</dd><dd class="headline-spark"><${Spark} past=${past} of="commands" title="Commands a second" /></dd></div>
    <div><dt>Rows pushed</dt><dd><b>${number(flow.gateway.pushes_per_s ?? 0, true)}</b>/s</dd><dd class="headline-spark"><${Spark} past=${past} of="pushes" title="Rows pushed a second" tone="read" /></dd></div>
    <div><dt>Events on their way</dt><dd><b>${number(waits, true)}</b></dd><dd class="headline-spark"><${Spark} past=${past} of="waiting" title="Events on their way" tone="saga" /></dd></div>
    ${isReplay && html`<div><dt>Replayed time</dt><dd class="headline-clock">${clock(flow.clock)}</dd></div>`}
  </dl>`;
}

// the replay's own time: as the app says it, in UTC
const clock = (iso) => html`<b>${iso.slice(11, 16)}</b> <span>${iso.slice(0, 10)} UTC</span>`;

// the picture's figures in words, for a screen reader or whoever likes tables better
function Figures({ flow, model }) {
  const [open, setOpen] = useState(false);
  const columns = [
    { title: "Hop", of: (hop) => (hop.group ? `${hop.title} (${hop.group})` : hop.title), header: true },
    { title: "Just now", of: (hop) => `${hop.main.value}${hop.main.unit.startsWith("/") ? "" : " "}${hop.main.unit}`, numeric: true },
    { title: "More", of: (hop) => [hop.group ? null : hop.what, ...hop.figures, hop.foot && `${hop.foot.value} ${hop.foot.unit}`, hop.alarm].filter(Boolean).join(", ") },
    { title: "Waiting, by partition", of: (hop) => (hop.lag ? hop.lag.map((one) => one.messages).join(" ") : "") },
    { title: "What it does", of: (hop) => hop.told },
  ];
  return html`<details class="flow-figures" open=${open} onToggle=${(event) => setOpen(event.target.open)}>
    <summary>The same figures as a table</summary>
    ${open && html`<${Table} caption="Figures of every hop, in the order of the flow" columns=${columns} rows=${hops(flow, model)} keyOf=${(hop) => hop.id} />`}
  </details>`;
}

function Newest({ model }) {
  const { data, error, stale, loading } = usePolled("traces", { limit: 10 }, 2_000);
  data?.traces.forEach(keep);
  return html`<section class="panel flow-newest ${stale ? "stale" : ""}" aria-labelledby="flow-newest">
    <h2 id="flow-newest">Newest commands</h2>
    ${loading && html`<${Loading} what="traces" />`}
    ${error && !data && error.code !== "AWAY" && html`<${Problem} error=${error} />`}
    ${data && (data.traces.length
      ? html`<${Traces} traces=${data.traces} model=${model} />`
      : html`<${Empty} title="No command yet"><p>Send one, and see here how long it took to every hop.</p><a class="button" href="#/try">Send a command</a></${Empty}>`)}
  </section>`;
}

// ---- one trace

function useTrace(name) {
  const [state, setState] = useState({ trace: shown.get(name) ?? null, error: null });
  useEffect(() => {
    let over = false;
    let timer = 0;
    const ask = async () => {
      try {
        const trace = keep(await found(name));
        if (!over) setState({ trace, error: null });
      } catch (error) {
        if (!over) setState((was) => ({ ...was, error }));
        if (error.status === 404) return;
      }
      if (!over && isGrowing(shown.get(name))) timer = setTimeout(ask, 1_000);
    };
    if (isGrowing(shown.get(name))) ask();
    return () => ((over = true), clearTimeout(timer));
  }, [name]);
  return state;
}

const isGrowing = (trace) => !trace || Date.now() - Date.parse(trace.at) < GROWING_MS;

// by the token of what it appended; a command that appended nothing is known by the trace's own id
async function found(name) {
  if (name.includes("@")) return admin("traces", { token: name });
  const one = (await admin("traces", { limit: 200 })).traces.find((trace) => trace.id === name);
  if (!one) throw new Failure("this trace is no longer kept", "NOT_FOUND", 404);
  return one;
}

function OneTrace({ name, flow, model }) {
  const { trace, error } = useTrace(name);
  useStore(sentChanges);
  useEffect(() => window.scrollTo(0, 0), [name]);
  const all = useMemo(() => trace && steps(trace, model), [trace, sentChanges.get()]);
  if (!trace) {
    const isGone = error?.status === 404;
    return html`<div class="flow"><${Way} /><h1>${name}</h1>
      ${!error && html`<${Loading} what="its way" />`}
      ${isGone && html`<${Empty} title="This command’s way is not kept"><p>Only the newest commands are, and where many come, some of them. Send one yourself and it is always traced.</p><a class="button" href="#/try">Send a command</a></${Empty}>`}
      ${error && !isGone && html`<${Problem} error=${error} />`}
    </div>`;
  }
  const seen = all.some((step) => step.name === SEEN);
  const last = Math.max(...all.filter((step) => !seen || step.name === SEEN).map((step) => step.to));
  const first = Math.min(0, ...all.map((step) => step.from));
  return html`<div class="flow">
    <${Way} />
    <h1>${trace.command} ${trace.token && html`<span class="quiet">${trace.token}</span>`}</h1>
    <p class="trace-told">
      ${trace.error
        ? html`<${Badge} tone="bad">refused</${Badge}> ${trace.error}`
        : seen
          ? html`From this browser to the row on this screen in <b>${ms(last - first)}</b>`
          : html`From the command to the last hop in <b>${ms(last)}</b>`}
      <span class="quiet"> · ${time(trace.at)} · ${ago(trace.at)}</span>
      ${trace.stream && html` · <a href=${streamOf(trace)}>Look at its stream →</a>`}
    </p>
    <div class="trace-parts">
      <${Picture} flow=${flow} model=${model} lit=${litBy(all)} />
      <section class="panel" aria-labelledby="trace-steps"><h2 id="trace-steps">From hop to hop</h2><${Waterfall} found=${all} /></section>
    </div>
  </div>`;
}

const streamOf = (trace) => `#/streams/${encodeURIComponent(trace.stream)}${trace.token ? `?at=${trace.token.split("@").at(-1)}` : ""}`;
const Way = () => html`<p class="flow-way"><a href="#/flow">← Flow</a></p>`;
