// Rebuilds: new rows are filled beside the live ones, compared with them, and take their place without a reader noticing.

import { admin, css, html, number, usePolled, useState } from "../core.js";
import { Told, useOperation } from "../operating.js";
import { Standing } from "../standing.js";
import { next, reasons, standing } from "../steps.js";
import { Badge, Loading, Problem } from "../ui.js";

css("letters");
css("rebuilds");

const EVERY_MS = 1_000;
const STEPS = [
  ["start", "Start", "Fills new rows from the store, beside the live ones. Never changes what anybody reads."],
  ["compare", "Compare", "Puts new rows beside the live ones. Only looks."],
  ["swap", "Swap", "Lets the new rows take over, in one moment. Never while one of them is behind; a saga never sends again what it sent."],
  ["finish", "Finish", "Drops the rows that were replaced. Never while somebody still reads them."],
  ["abort", "Abort", "Drops the new rows. Never touches the live ones."],
];
const STANDING = {
  idle: ["live", "good"],
  filling: ["filling", "accent"],
  behind: ["not filled yet", "warn"],
  filled: ["filled, not yet live", "accent"],
  swapping: ["swapping", "warn"],
  replaced: ["swapped, old rows still there", "warn"],
  failed: ["failed", "bad"],
};
const DONE = { start: "filling has begun", swap: "the new rows are live", finish: "the old rows are dropped", abort: "the new rows are dropped" };

export default function View({ model }) {
  const polled = usePolled("rebuilds", {}, EVERY_MS);
  const { data, stale, again } = polled;
  const operation = useOperation();
  const run = async (group, step) => {
    await operation.act(`${group} ${step}`, "rebuild", { group, step }, () => `${group}: ${DONE[step]}.`);
    again();
  };
  return html`
    <h1>Rebuilds</h1>
    <p class="quiet rebuilds-what">The store is the truth, so rows can always be made anew: after a change of code, or to be sure. Parts of one group share their rows' generation.</p>
    <${Told} told=${operation.told} />
    <${Standing} polled=${polled} what="groups" />
    <div class=${stale ? "stale" : ""}>
      ${(data?.groups ?? []).map((group) => html`<${Group} key=${group.group} group=${group} parts=${model.groups.find(({ name }) => name === group.group)?.parts ?? []} busy=${operation.busy} disabled=${stale || operation.busy !== ""} run=${run} />`)}
    </div>
  `;
}

function Group({ group, parts, busy, disabled, run }) {
  const [comparison, setComparison] = useState(null);
  const [said, tone] = STANDING[standing(group)];
  const why = reasons(group);
  const compare = async () => {
    setComparison({ loading: true });
    try {
      setComparison({ data: await admin("rebuilds/compare", { group: group.group }) });
    } catch (error) {
      setComparison({ error });
    }
  };
  const act = (step) => (step === "compare" ? compare() : (setComparison(null), run(group.group, step)));
  const label = (step, title) => (step === "start" && ["behind", "failed"].includes(standing(group)) ? "Go on filling" : title);
  const title = `rebuilds-${group.group}`;
  return html`<section class="panel rebuilds-group" aria-labelledby=${title}>
    <header>
      <h2 id=${title}>${group.group} <${Badge} tone=${tone}>${said}<//></h2>
      <p class="quiet">${group.saga ? "saga" : "parts"}: ${parts.join(", ")}</p>
    </header>
    <${Generations} generations=${group.generations} />
    <${Progress} group=${group} />
    <ol class="rebuilds-steps">
      ${STEPS.map(([step, name, what]) => html`<li key=${step} class=${why[step] ? "not" : ""}>
        <button type="button" class=${next(group) === step ? "primary" : step === "abort" ? "danger" : ""} disabled=${disabled || why[step] !== ""} aria-describedby=${`${title}-${step}`} onClick=${() => act(step)}>${busy === `${group.group} ${step}` ? "At it …" : label(step, name)}</button>
        <p id=${`${title}-${step}`}>${what}${why[step] && html` <span class="rebuilds-why">Not now: ${why[step]}.</span>`}</p>
      </li>`)}
    </ol>
    ${comparison && html`<${Comparison} ...${comparison} again=${compare} />`}
  </section>`;
}

const TONES = { live: "good", green: "accent", blue: "warn", fenced: "" };
const MEANS = { live: "answers", green: "is filled", blue: "is folded on for who still reads it", fenced: "waits to be dropped" };

function Generations({ generations }) {
  return html`<ul class="rebuilds-generations" aria-label="Generations">
    ${generations.map(({ number: n, phase, leases }) => html`<li key=${n} class=${phase}><strong>Generation ${n}</strong> <${Badge} tone=${TONES[phase]}>${phase}<//>
      <span class="quiet">${MEANS[phase]}${leases > 0 && `, ${number(leases)} ${leases === 1 ? "reader" : "readers"}`}</span></li>`)}
  </ul>`;
}

function Progress({ group }) {
  const { green, streams, streams_done: there, events, job, letters } = group;
  if (green === null) return job?.error ? html`<${Problem} error=${job.error} />` : null;
  const share = streams ? Math.floor((100 * there) / streams) : 100;
  return html`<div class="rebuilds-progress">
    <label><span>${number(there)} of ${number(streams)} streams there</span>
      <progress max=${Math.max(1, streams)} value=${streams ? there : 1}>${share} %</progress></label>
    ${job && events !== null && html`<p class="quiet">${number(job.folded)} of ${number(events)} events read by this process</p>`}
    ${letters > 0 && html`<p><a href="#/letters">${number(letters)} ${letters === 1 ? "stream is" : "streams are"} parked in the new rows</a></p>`}
    ${job?.error && html`<${Problem} error=${job.error} />`}
  </div>`;
}

function Comparison({ loading, error, data, again }) {
  if (loading) return html`<${Loading} what="both generations" />`;
  if (error) return html`<${Problem} error=${error} again=${again} />`;
  const same = data.parts.every(({ differ, only_live: live, only_green: green }) => differ + live + green === 0);
  return html`<section class="rebuilds-comparison" aria-label="Comparison">
    <p role="status" class=${same ? "good" : "bad"}>${same ? `Generation ${data.green} has the same rows as ${data.live}.` : `Generation ${data.green} differs from ${data.live}. After a change of code it should; else look closer.`}</p>
    ${data.parts.map((part) => html`<${Part} key=${part.part} part=${part} live=${data.live} green=${data.green} />`)}
  </section>`;
}

function Part({ part, live, green }) {
  const counts = [
    [part.differ, "differ"],
    [part.only_live, `only in ${live}`],
    [part.only_green, `only in ${green}`],
  ].filter(([n]) => n > 0);
  return html`<div class="rebuilds-part">
    <h3>${part.part}</h3>
    <p><span class="quiet">${number(part.live_rows)} and ${number(part.green_rows)} rows${part.cut && ", as far as was looked"}</span> ${counts.length ? counts.map(([n, what]) => html`<${Badge} tone="warn" key=${what}>${number(n)} ${what}<//> `) : html`<${Badge} tone="good">the same<//>`}</p>
    ${part.examples.length > 0 && html`<div class="table" role="region" aria-label=${`Rows of ${part.part} that differ`} tabindex="0"><table>
      <thead><tr><th scope="col">Row</th><th scope="col">Field</th><th scope="col">Generation ${live}, live</th><th scope="col">Generation ${green}, new</th></tr></thead>
      <tbody>${part.examples.flatMap((row) => differing(row).map(([field, before, after], n) => html`<tr key=${`${row.key} ${field}`}>
        <th scope="row">${n === 0 ? row.key : html`<span class="unseen">${row.key}</span>`}</th><td>${field}</td><td><code>${before}</code></td><td><code>${after}</code></td></tr>`))}</tbody>
    </table></div>`}
  </div>`;
}

// the fields in which a row differs; a row that is on one side only, as one line
function differing({ live, green }) {
  if (live === null || green === null) return [["the row", live ? "is there" : "–", green ? "is there" : "–"]];
  const names = Object.keys({ ...live, ...green });
  return names.map((name) => [name, JSON.stringify(live[name]), JSON.stringify(green[name])]).filter(([, before, after]) => before !== after);
}
