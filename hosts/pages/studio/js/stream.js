// One stream, wound back and forth: what had happened by a version, what was known then, and what each event changed.

import { admin, html, number, parsed, time, to, useEffect, useMemo, useReducer, useRef, useState } from "./core.js";
import { Chain } from "./chainview.js";
import { Changes } from "./changes.js";
import { Events } from "./paging.js";
import { Timeline } from "./timeline.js";
import { Badge, Loading, Lost, Problem } from "./ui.js";

const GROWN_MS = 2_000;
const SETTLED_MS = 90; // a slider that is dragged asks for where it rests
const STEP_MS = 900;
const STEPS = 60; // a long stream is played in about so many steps

export function Stream({ model, name, at: asked }) {
  const stream = useStream(name);
  const [at, setAt] = useVersion(name, asked, stream.version);
  useEffect(() => {
    stream.need(Math.max(1, at), Math.max(1, at));
  }, [at, stream.version]);
  const kind = model.kinds.find((one) => one.name === stream.kind);
  if (stream.error?.status === 404) return html`<${Nowhere} name=${name} error=${stream.error} />`;
  if (!stream.loaded) return html`<${Head} name=${name} />${stream.error ? html`<${Problem} error=${stream.error} again=${() => stream.need(1, 1)} />` : html`<${Loading} what="events" />`}`;
  return html`
    <${Head} name=${name} kind=${kind} version=${stream.version} />
    ${stream.error && stream.error.status !== 0 && html`<${Lost} />`}
    <div class=${stream.error ? "stale" : ""}>
      <${Travel} at=${at} version=${stream.version} onMove=${setAt} event=${stream.at(at)?.[0]} />
      <div class="streams-columns">
        <section class="panel streams-events" aria-labelledby="streams-events">
          <h2 id="streams-events">Events</h2>
          <${Timeline} stream=${stream} at=${at} onMove=${setAt} />
        </section>
        <${State} name=${name} at=${at} />
        ${at > 0 ? html`<${Event} at=${at} name=${name} events=${stream.at(at)} />` : html`<${Unbegun} first=${stream.at(1)?.[0]} />`}
      </div>
      ${at > 0 && html`<${Chain} name=${name} version=${at} grown=${stream.version} />`}
    </div>
  `;
}

function Head({ name, kind, version }) {
  return html`<nav aria-label="Where" class="streams-where"><a href="#/streams">Streams</a></nav>
    <h1 class="streams-title">${name} ${kind && html`<${Badge}>${kind.name}<//>`} ${version !== undefined && html`<span class="quiet streams-size">${number(version)} ${version === 1 ? "event" : "events"}</span>`}</h1>`;
}

function Nowhere({ name, error }) {
  return html`<${Head} name=${name} /><${Problem} error=${error} /><p><a href="#/streams">Find another stream</a></p>`;
}

// the stream's events by version, kept up to date
function useStream(name) {
  const [, changed] = useReducer((n) => n + 1, 0);
  const events = useMemo(() => new Events((after, limit) => admin("stream", { name, after, limit }), changed), [name]);
  useEffect(() => {
    events.need(1, 1).then(() => events.version && events.need(events.version, events.version));
    const timer = setInterval(() => document.hidden || events.grow(), GROWN_MS);
    return () => clearInterval(timer);
  }, [events]);
  return events;
}

// The version that is looked at: the address says it, or else the newest is followed. Moving writes it to the address, so that it can be
// passed on, without an entry in the history for every step.
function useVersion(name, asked, newest) {
  const [at, setAt] = useState(versionOf(asked));
  useEffect(() => {
    // a link to where one began changes the address back, but not the route that was rendered
    const moved = () => {
      const { args, query } = parsed(location.hash);
      if (args[0] === name) setAt(versionOf(query.at));
    };
    window.addEventListener("hashchange", moved);
    return () => window.removeEventListener("hashchange", moved);
  }, [name]);
  const move = (version) => {
    const next = Math.max(0, Math.min(newest, version));
    setAt(next);
    history.replaceState(null, "", to("streams", name, { at: next }));
  };
  return [Number.isInteger(at) ? Math.max(0, Math.min(newest, at)) : newest, move];
}

const versionOf = (asked) => (asked === undefined ? null : Number(asked));

function Travel({ at, version, onMove, event }) {
  const [playing, setPlaying] = useState(false);
  const stride = Math.max(1, Math.ceil(version / STEPS));
  useEffect(() => {
    if (!playing) return undefined;
    if (at >= version) return void setPlaying(false);
    const timer = setTimeout(() => onMove(Math.min(version, at + stride)), STEP_MS);
    return () => clearTimeout(timer);
  }, [playing, at, version]);
  const play = () => {
    if (!playing && at >= version) onMove(0);
    setPlaying(!playing);
  };
  const move = (to) => (setPlaying(false), onMove(to));
  const said = at === 0 ? "before the first event" : `version ${at} of ${version}${event ? `, ${event.type}` : ""}`;
  return html`<section class="panel streams-travel" aria-label="Time travel">
    <div class="streams-buttons">
      <button type="button" aria-label="To the beginning" disabled=${at === 0} onClick=${() => move(0)}><${Glyph} path="M4 3v10M13 3 6 8l7 5z" /></button>
      <button type="button" aria-label="One event back" disabled=${at === 0} onClick=${() => move(at - 1)}><${Glyph} path="M11 3 4 8l7 5z" /></button>
      <button type="button" class="primary" aria-label=${playing ? "Pause" : "Play"} disabled=${version === 0} onClick=${play}><${Glyph} path=${playing ? "M5 3v10M11 3v10" : "M5 3l8 5-8 5z"} /></button>
      <button type="button" aria-label="One event on" disabled=${at === version} onClick=${() => move(at + 1)}><${Glyph} path="M5 3l7 5-7 5z" /></button>
      <button type="button" aria-label="To the newest event" disabled=${at === version} onClick=${() => move(version)}><${Glyph} path="M12 3v10M3 3l7 5-7 5z" /></button>
    </div>
    <input type="range" min="0" max=${version} step="1" value=${at} aria-label="Version" aria-valuetext=${said} onInput=${(event) => move(Number(event.target.value))} />
    <p class="streams-now"><strong>${at === 0 ? "Before the first event" : `Version ${number(at)}`}</strong>${at > 0 && html` <span class="quiet">of ${number(version)}</span>`}
      ${event && html`<span class="streams-now-event">${event.type}<span class="quiet"> · ${time(event.time)}</span></span>`}</p>
  </section>`;
}

const Glyph = ({ path }) => html`<svg viewBox="0 0 16 16" class="streams-glyph" aria-hidden="true"><path d=${path} /></svg>`;

// the states at this version and the one before; the last pair stays until the next is there
function useStates(name, at) {
  const [shown, setShown] = useState({ at: null, before: null, after: null, error: null });
  const known = useRef(new Map());
  useEffect(() => {
    let over = false;
    const load = async (version) => {
      if (version < 0) return null;
      if (!known.current.has(version)) known.current.set(version, (await admin("state", { name, at: version })).state);
      if (known.current.size > 64) known.current.delete(known.current.keys().next().value);
      return known.current.get(version);
    };
    const timer = setTimeout(async () => {
      try {
        const after = await load(at);
        const before = at > 0 ? await load(at - 1) : after;
        if (!over) setShown({ at, before, after, error: null });
      } catch (error) {
        if (!over) setShown((was) => ({ ...was, error }));
      }
    }, shown.at === null ? 0 : SETTLED_MS);
    return () => ((over = true), clearTimeout(timer));
  }, [name, at]);
  return shown;
}

function State({ name, at }) {
  const { at: of, before, after, error } = useStates(name, at);
  return html`<section class="panel streams-state" aria-labelledby="streams-state">
    <h2 id="streams-state">State ${of !== null && html`<span class="quiet">${of === 0 ? "to begin with" : `at version ${number(of)}`}</span>`}</h2>
    ${error && (error.status === 0 ? html`<p class="quiet">The state at ${number(at)} comes when the server is back.</p>` : html`<${Problem} error=${error} />`)}
    ${of === null ? !error && html`<${Loading} what="state" />` : html`<${Changes} before=${before} after=${after} first=${of === 0} />`}
  </section>`;
}

function Event({ name, at, events }) {
  return html`<section class="panel streams-event" aria-labelledby="streams-event">
    <h2 id="streams-event">Event ${number(at)}</h2>
    ${events === null ? html`<${Loading} what="event" />` : events.map((event) => html`<${Told} event=${event} name=${name} />`)}
  </section>`;
}

function Unbegun({ first }) {
  return html`<section class="panel streams-event" aria-labelledby="streams-event">
    <h2 id="streams-event">No event yet</h2>
    <p class="quiet">The state is what a stream begins with.${first && html` Then comes <strong>${first.type}</strong>, ${time(first.time)}.`}</p>
  </section>`;
}

function Told({ event, name }) {
  const [stream, version] = split(event.cause ?? "");
  return html`
    <dl class="streams-facts">
      <div><dt>Type</dt><dd>${event.type}</dd></div>
      <div><dt>Time</dt><dd>${time(event.time)}</dd></div>
      <div><dt>Caused by</dt><dd>${event.cause ? html`<a href=${to("streams", stream, { at: version })}>${event.cause}</a>` : "a command from outside"}${event.saga && html` <${Badge} tone="accent">${event.saga}<//>`}</dd></div>
      ${event.key && html`<div><dt>Key</dt><dd><code>${event.key}</code></dd></div>`}
      <div><dt>Trace</dt><dd><a href=${to("flow", `${name}@${event.version}`)}>from hop to hop</a></dd></div>
    </dl>
    <pre class="streams-data" tabindex="0" aria-label="Data of the event">${JSON.stringify(event.data, null, 2)}</pre>
  `;
}

export function split(place) {
  const cut = place.lastIndexOf("@");
  return [place.slice(0, cut), place.slice(cut + 1)];
}
