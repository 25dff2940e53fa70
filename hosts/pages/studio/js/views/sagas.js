// Sagas: which run, wait for a timer, take something back, or are stuck, and what each has still to send.

import { css, html, number, time, to, usePolled, useState } from "../core.js";
import { useFlow } from "../flowing.js";
import { Told, useOperation } from "../operating.js";
import { Standing } from "../standing.js";
import { Badge, Empty } from "../ui.js";
import { until } from "../until.js";

css("letters");
css("sagas");

const EVERY_MS = 2_000;
const LIMIT = 60;
const MOST = 500; // as many as the endpoint tells
const STATES = [
  ["stuck", "Stuck", "bad", "refused until its tries were used up"],
  ["compensating", "Compensating", "warn", "taking back what it took"],
  ["waiting", "Waiting", "accent", "for a timer"],
  ["running", "Running", "good", "for the next event, or a command on its way"],
];
const OF = Object.fromEntries(STATES.map(([name, title, tone, why]) => [name, { title, tone, why }]));

let kept = { saga: "", state: "" };

export default function View({ model }) {
  const [asked, setAsked] = useState(kept);
  const [limit, setLimit] = useState(LIMIT);
  const ask = (more) => (setLimit(LIMIT), operation.tell(null), setAsked((kept = { ...asked, ...more })));
  const polled = usePolled("sagas", { ...asked, limit }, EVERY_MS);
  const { data, stale, again } = polled;
  const flow = useFlow();
  const operation = useOperation();
  const unstick = async ({ saga, stream }) => {
    await operation.act(`${saga} ${stream}`, "unstick", { saga, stream }, ({ commands }) => `${saga} tries ${commands === 1 ? "its command" : `${commands} commands`} of ${stream} again.`);
    again();
  };
  const total = data ? Object.values(data.counts).reduce((one, other) => one + other, 0) : 0;
  const matching = data ? (asked.state ? data.counts[asked.state] : total) : 0;
  return html`
    <h1>Sagas</h1>
    <div class="sagas-filters">
      <${Counts} counts=${data?.counts} state=${asked.state} total=${total} choose=${(state) => ask({ state })} />
      ${model.sagas.length > 1 && html`<label class="sagas-which"><span>Saga</span> <select value=${asked.saga} onChange=${(event) => ask({ saga: event.target.value })}>
        <option value="">all</option>${model.sagas.map(({ name }) => html`<option key=${name} value=${name}>${name}</option>`)}
      </select></label>`}
    </div>
    ${flow.data?.clock && html`<p class="sagas-clock quiet">The sagas' clock says <time datetime=${flow.data.clock}>${time(flow.data.clock)}</time>; timers go by it.</p>`}
    <${Told} told=${operation.told} />
    <${Standing} polled=${polled} what="sagas" />
    ${data && data.sagas.length === 0 && html`<${Nothing} state=${asked.state} total=${total} />`}
    <ul class=${`sagas-list ${stale ? "stale" : ""}`}>
      ${(data?.sagas ?? []).map((one) => html`<${One} key=${`${one.saga} ${one.tenant} ${one.key}`} one=${one} clock=${flow.data?.clock} busy=${operation.busy} disabled=${stale || operation.busy !== ""} unstick=${unstick} />`)}
    </ul>
    ${data && matching > data.sagas.length && html`<p class="quiet">${number(data.sagas.length)} of ${number(matching)} are shown.</p>`}
    ${data && matching > data.sagas.length && limit < MOST && html`<button type="button" onClick=${() => setLimit(Math.min(MOST, limit * 3))}>Show more</button>`}
    ${data?.cut && html`<p class="quiet">There are more than were counted.</p>`}
  `;
}

function Counts({ counts, state, total, choose }) {
  const one = (name, title, n, tone) => html`<button type="button" key=${name} class=${`sagas-count ${n > 0 ? tone : ""}`} aria-pressed=${state === name} onClick=${() => choose(name)}>
    <span class="sagas-number">${counts ? number(n) : "–"}</span><span>${title}</span>
  </button>`;
  return html`<div class="sagas-counts" role="group" aria-label="Which sagas">
    ${one("", "All", total, "")}${STATES.map(([name, title, tone]) => one(name, title, counts?.[name] ?? 0, tone))}
  </div>`;
}

function Nothing({ state, total }) {
  if (state) return html`<${Empty} title=${`No saga is ${state}`}>${total > 0 ? `${number(total)} are in another state.` : "None is under way at all."}<//>`;
  return html`<${Empty} title="No saga is under way">A saga goes from stream to stream: it sees events and sends commands, takes back what it took when something fails, and waits for timers. One that ends is gone from here.<//>`;
}

function One({ one, clock, busy, disabled, unstick }) {
  const { title, tone, why } = OF[one.state];
  const stuck = [...new Set(one.outputs.filter((output) => output.stuck).map(({ stream }) => stream))];
  return html`<li class="panel sagas-saga">
    <div class="sagas-top">
      <h2>${one.tenant && html`<span class="quiet">${one.tenant}/</span>`}${one.key}</h2>
      <p><${Badge} tone=${tone} title=${why}>${title}<//> <span class="quiet">${one.saga}</span></p>
    </div>
    <${Row} row=${one.row} />
    ${one.outputs.length === 0 && html`<p class="quiet">It has nothing to send, and goes on with the next event.</p>`}
    ${one.outputs.length > 0 && html`<ul class="sagas-outputs">${one.outputs.map((output, n) => html`<${Output} key=${n} output=${output} clock=${clock} />`)}</ul>`}
    ${stuck.map((stream) => html`<p class="sagas-actions" key=${stream}><button type="button" class="primary" disabled=${disabled} onClick=${() => unstick({ saga: one.saga, stream })} aria-label=${`Try again what ${one.saga} sends for ${stream}`}>${busy === `${one.saga} ${stream}` ? "At it …" : "Try again"}</button></p>`)}
  </li>`;
}

// what it remembers; nothing for one that remembers nothing
function Row({ row }) {
  const fields = row !== null && typeof row === "object" && !Array.isArray(row) ? Object.entries(row) : row === null ? [] : [["state", row]];
  if (fields.length === 0) return null;
  return html`<dl class="sagas-row">${fields.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value !== null && typeof value === "object" ? JSON.stringify(value) : String(value)}</dd></div>`)}</dl>`;
}

function Output({ output, clock }) {
  const { command, data, due, tries, error, stuck, stream, version } = output;
  return html`<li class=${stuck ? "stuck" : ""}>
    <p><strong>${command || "a damaged command"}</strong> <span class="quiet">because of </span><a href=${to("streams", stream, { at: version })}>${stream}@${version}</a></p>
    ${due && html`<p class="sagas-due"><${Clock} /> ${until(due, clock)} <span class="quiet">· ${time(due)}</span></p>`}
    ${tries > 0 && html`<p class="quiet">${number(tries)} ${tries === 1 ? "try" : "tries"} so far</p>`}
    ${error && html`<p class="letters-error"><span class="unseen">Error: </span>${error}</p>`}
    <details><summary>What it says</summary><pre tabindex="0" aria-label="Data of the command">${JSON.stringify(data, null, 2)}</pre></details>
  </li>`;
}

const Clock = () => html`<svg class="sagas-glyph" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="6.500" /><path d="M8 4v4l3 2" /></svg>`;
