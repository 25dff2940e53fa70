// Streams: find one by its kind and the beginning of its id, then wind it back and forth (stream.js).

import { admin, css, html, number, to, useEffect, usePolled, useRef, useState } from "../core.js";
import { Stream } from "../stream.js";
import { Badge, Empty, Field, Loading, Problem } from "../ui.js";

css("streams");

const PAGE = 50;
const TYPING_MS = 150;
const RECENT = 12;

export default function View({ model, route }) {
  const [name] = route.args;
  if (name) return html`<${Stream} key=${name} model=${model} name=${name} at=${route.query.at} />`;
  return html`<${Finder} model=${model} />`;
}

let kept = { kind: "", prefix: "" }; // what was looked for, when one comes back

function Finder({ model }) {
  const [{ kind, prefix }, setAsked] = useState(kept);
  const ask = (more) => setAsked((was) => (kept = { ...was, ...more }));
  const recent = usePolled("streams/recent", {}, 2_000);
  const looking = kind !== "" || prefix !== "";
  return html`
    <h1>Streams</h1>
    <form class="streams-find panel" role="search" onSubmit=${(event) => event.preventDefault()}>
      <${Field} label="Kind">
        ${(given) => html`<select ...${given} value=${kind} onChange=${(event) => ask({ kind: event.target.value })}>
          <option value="">all</option>
          ${model.kinds.map((one) => html`<option key=${one.name} value=${one.name}>${one.name}</option>`)}
        </select>`}
      <//>
      <${Field} label=${kind ? `${idOf(model, kind)} begins with` : "Name begins with"}>
        ${(given) => html`<input ...${given} type="search" autocomplete="off" spellcheck="false" value=${prefix} placeholder=${kind ? "" : `${model.kinds[0]?.name ?? "kind"}-`} onInput=${(event) => ask({ prefix: event.target.value })} />`}
      <//>
    </form>
    <div class=${recent.stale ? "stale" : ""}>
      ${!looking && html`<${Recent} streams=${recent.data?.streams} />`}
      <${Found} kind=${kind} prefix=${prefix} looking=${looking} />
    </div>
  `;
}

const idOf = (model, kind) => model.kinds.find((one) => one.name === kind)?.id ?? "id";

// where this process wrote just now
function Recent({ streams = [] }) {
  if (streams.length === 0) return null;
  return html`<section aria-labelledby="streams-recent">
    <h2 id="streams-recent">Written to just now</h2>
    <ul class="streams-recent">
      ${streams.slice(0, RECENT).map(
        (one) => html`<li key=${one.stream}><a class="streams-card" href=${to("streams", one.stream)}>
          <span class="streams-name">${one.id}</span>
          <span class="streams-card-foot"><${Badge}>${one.kind}<//><span class="quiet">${events(one.version)}</span></span>
        </a></li>`,
      )}
    </ul>
  </section>`;
}

export const events = (version) => `${number(version)} ${version === 1 ? "event" : "events"}`;

// a page of streams by name, more on demand; a page of earlier typing is never shown for later typing
function useFound(kind, prefix) {
  const [found, setFound] = useState({ streams: null, next: "", error: null, busy: false });
  const latest = useRef(0);
  const load = async (after, before) => {
    const mine = (latest.current += 1);
    setFound((was) => ({ ...was, busy: true, error: null }));
    try {
      const page = await admin("streams", { kind, prefix, after, limit: PAGE });
      if (mine === latest.current) setFound({ streams: [...before, ...page.streams], next: page.next, error: null, busy: false });
    } catch (error) {
      if (mine === latest.current) setFound((was) => ({ ...was, error, busy: false }));
    }
  };
  useEffect(() => {
    const timer = setTimeout(() => load("", []), TYPING_MS);
    return () => clearTimeout(timer);
  }, [kind, prefix]);
  return { ...found, again: () => load("", []), more: () => load(found.next, found.streams) };
}

function Found({ kind, prefix, looking }) {
  const { streams, next, error, busy, again, more } = useFound(kind, prefix);
  if (error) return html`<${Problem} error=${error} again=${again} />`;
  if (streams === null) return html`<${Loading} what="streams" />`;
  if (streams.length === 0 && looking) return html`<p class="streams-none" role="status">No stream begins so.</p>`;
  if (streams.length === 0) {
    return html`<${Empty} title="No streams yet">A stream holds what happened to one thing, event by event. <a href="#/try">Send a command</a>, and its stream is here.<//>`;
  }
  return html`<section aria-labelledby="streams-found" aria-busy=${busy}>
    <h2 id="streams-found">${looking ? "Found" : "By name"}</h2>
    <p class="unseen" role="status">${number(streams.length)}${next ? " or more" : ""} streams</p>
    <ul class="streams-list panel">
      ${streams.map(
        (one) => html`<li key=${one.stream}><a href=${to("streams", one.stream)}>
          <span><${Badge}>${one.kind}<//></span>
          <span class="streams-name">${one.tenant && html`<span class="quiet">${one.tenant}/</span>`}${one.id}</span>
          <span class="quiet streams-count">${events(one.version)}</span>
        </a></li>`,
      )}
    </ul>
    ${next && html`<button type="button" class="streams-more" disabled=${busy} onClick=${more}>Show more</button>`}
  </section>`;
}
