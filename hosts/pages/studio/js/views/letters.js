// Letters: streams that a part has parked because it could not fold an event, tried again or given up from here.

import { css, html, number, operate, to, usePolled, useState } from "../core.js";
import { Told, useOperation } from "../operating.js";
import { Standing } from "../standing.js";
import { Badge, Dialog, Empty } from "../ui.js";

css("letters");

const EVERY_MS = 2_000;
const SHOWN = 50;

export default function View() {
  const polled = usePolled("letters", {}, EVERY_MS);
  const { data, stale, again } = polled;
  const operation = useOperation();
  const [dropping, setDropping] = useState(null);
  const [shown, setShown] = useState(SHOWN);
  const letters = data?.letters ?? [];
  const redrive = async (letter) => {
    await operation.act(keyOf(letter), "redrive", target(letter), ({ folded }) => `${letter.part} took ${letter.stream} again: ${events(folded)} folded.`);
    again();
  };
  const drop = async (letter) => {
    setDropping(null);
    await operation.act(keyOf(letter), "drop", target(letter), ({ folded }) => `${letter.stream}@${letter.version} is given up for ${letter.part}; ${events(folded ?? 0)} after it folded.`);
    again();
  };
  return html`
    <header class="letters-head">
      <h1>Letters ${letters.length > 0 && html`<span class="letters-count">${number(letters.length)}${data.cut && "+"}</span>`}</h1>
      ${letters.length > 1 && html`<${RedriveAll} letters=${letters} operation=${operation} disabled=${stale} done=${again} />`}
    </header>
    ${letters.length > 0 && html`<p class="letters-what quiet">Each is a stream that one part has parked because it could not take an event. Everything else goes on; later events of the stream wait in the store, none is lost.</p>`}
    <${Told} told=${operation.told} />
    <${Standing} polled=${polled} what="letters" />
    ${data && letters.length === 0 && html`<${Nothing} />`}
    <ul class=${`letters-list ${stale ? "stale" : ""}`}>
      ${letters.slice(0, shown).map((letter) => html`<${Letter} key=${keyOf(letter)} letter=${letter} busy=${operation.busy} disabled=${stale || operation.busy !== ""} redrive=${redrive} drop=${setDropping} />`)}
    </ul>
    ${letters.length > shown && html`<button type="button" onClick=${() => setShown(shown + SHOWN)}>Show more (${number(letters.length - shown)} left)</button>`}
    ${dropping && html`<${Asked} letter=${dropping} onClose=${() => setDropping(null)} drop=${() => drop(dropping)} />`}
  `;
}

const keyOf = ({ group, generation, part, stream }) => `${group} ${generation} ${part} ${stream}`;
const target = ({ part, stream }) => ({ part, stream });
const events = (n) => `${number(n)} ${n === 1 ? "event" : "events"}`;

function Nothing() {
  return html`<${Empty} title="Nothing is parked">
    When a part cannot take an event, the event's stream is parked here for that part, with the error. Every other stream goes on. After the code is mended, a redrive takes up where it stopped.
  <//>`;
}

function Letter({ letter, busy, disabled, redrive, drop }) {
  const { part, stream, version, reason, tries, error, event, generation } = letter;
  return html`<li class="panel letters-letter">
    <div class="letters-top">
      <h2><a href=${to("streams", stream, { at: version })}>${stream}@${version}</a></h2>
      <p class="letters-badges"><${Badge} tone="accent">${part}<//> <${Badge} tone="bad">${REASONS[reason] ?? reason}<//> <span class="quiet">${number(tries)} ${tries === 1 ? "try" : "tries"} · generation ${generation}</span></p>
    </div>
    <p class="letters-error"><span class="unseen">Error: </span>${error}</p>
    ${event
      ? html`<details class="letters-event"><summary>${event.type}</summary><pre tabindex="0" aria-label="Data of the event">${JSON.stringify(event.data, null, 2)}</pre></details>`
      : html`<p class="quiet">${reason === "gap" ? "The event is not in the store." : "The event is not shown here; its stream has it."}</p>`}
    <p class="letters-actions">
      <button type="button" class="primary" disabled=${disabled} onClick=${() => redrive(letter)} aria-label=${`Redrive ${stream} for ${part}`}>${busy === keyOf(letter) ? "At it …" : "Redrive"}</button>
      <button type="button" class="danger" disabled=${disabled} onClick=${() => drop(letter)} aria-label=${`Drop ${stream} at ${version} for ${part}`}>Drop …</button>
    </p>
  </li>`;
}

const REASONS = { error: "could not take it", "unknown type": "unknown event", gap: "missing event", died: "killed its process" };

// one after the other; what still fails stays, and is counted
function RedriveAll({ letters, operation, disabled, done }) {
  const [at, setAt] = useState(null);
  const streams = letters.filter((one, n) => letters.findIndex(({ part, stream }) => part === one.part && stream === one.stream) === n); // in two generations at once
  const run = async () => {
    let folded = 0;
    let failed = 0;
    let last = null;
    for (const [n, letter] of streams.entries()) {
      setAt(n + 1);
      try {
        folded += (await operate("redrive", target(letter))).folded;
      } catch (failure) {
        failed += 1;
        last = failure;
        if (failure.status === 0 || failure.status === 401 || failure.status === 403) break;
      }
    }
    setAt(null);
    const left = failed ? ` ${number(failed)} still cannot be taken: ${last.message}` : "";
    operation.tell({ good: failed === 0, text: `${events(folded)} folded from ${number(streams.length - failed)} of ${number(streams.length)} letters.${left}` });
    done();
  };
  return html`<button type="button" disabled=${disabled || at !== null || operation.busy !== ""} onClick=${run}>${at === null ? `Redrive all ${number(letters.length)}` : `${number(at)} of ${number(streams.length)} …`}</button>`;
}

function Asked({ letter, onClose, drop }) {
  const { part, stream, version, event } = letter;
  return html`<${Dialog} title=${`Drop ${stream}@${version} for ${part}?`} onClose=${onClose}>
    <p><strong>${part}</strong> will never see ${event ? html`this <strong>${event.type}</strong>` : "this event"}: its rows will be as if it had not happened, and no redrive brings it back; only a rebuild with mended code does.</p>
    <p>The event itself stays in the stream. Other parts are not touched, and the events after it are folded now.</p>
    <p class="dialog-actions"><button type="button" onClick=${onClose}>Keep it</button><button type="button" class="danger" onClick=${drop}>Drop it for ${part}</button></p>
  <//>`;
}
