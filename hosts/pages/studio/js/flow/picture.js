// The picture of the architecture: hops as cards, pipes between them as SVG, and motion in a pipe only while something goes through it.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../core.js";
import { hops } from "./hops.js";
import { layout } from "./layout.js";

const BARS_MAX = 24; // partitions drawn one by one; more are drawn as the worst of their neighbours
const UNSEEN = "not this browser"; // what other clients saw is not known here

// `lit` is {hop id: {text, more}} of a trace: what it touched, the rest steps back
export function Picture({ flow, model, lit = null, stale = false }) {
  const here = useRef(null);
  const width = useWidth(here);
  const [chosen, choose] = useState("");
  const told = hops(flow, model);
  const place = width ? layout(width, flow.groups) : null;
  const one = told.find((hop) => hop.id === chosen);
  return html`<div class="picture ${stale ? "stale" : ""} ${place?.isNarrow ? "is-narrow" : ""} ${lit ? "is-lit" : ""}">
    <div ref=${here} class="picture-area" role="group" aria-label="The way of a command, hop by hop" style=${{ height: place ? `${place.height}px` : "420px" }}>
      ${place && html`<${Pipes} place=${place} rates=${rates(flow)} lit=${lit} />`}
      ${place?.lanes.map((lane) => html`<p key=${lane.kind} class="lane ${lane.kind}" style=${at(lane)}>${lane.title}</p>`)}
      ${place && told.map((hop) => html`<${Hop} key=${hop.id} hop=${hop} card=${place.cards[hop.id]} lit=${lit?.[hop.id]} isTrace=${lit !== null} isChosen=${hop.id === chosen} choose=${choose} withText=${place.isNarrow} />`)}
      ${place?.isNarrow && html`<${Back} card=${place.cards.back} flow=${flow} lit=${lit?.clients} isTrace=${lit !== null} />`}
    </div>
    ${!place?.isNarrow && html`<p class="picture-told" aria-live="polite">
      ${one ? html`<strong>${one.title}.</strong> ${one.told} ${one.link && html`<a href=${one.link[0]}>${one.link[1]} →</a>`}` : "A command becomes events; the events travel, are folded into rows, and the rows come back to whoever watches them. Point at a hop to read what it does."}
    </p>`}
  </div>`;
}

const at = ({ x, y }) => ({ left: `${x}px`, top: `${y}px` });
const box = ({ x, y, w, h }) => ({ left: `${x}px`, top: `${y}px`, width: `${w}px`, height: `${h}px` });

function useWidth(here) {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => setWidth(here.current.clientWidth), []);
  useEffect(() => {
    const seen = new ResizeObserver(() => here.current && setWidth(here.current.clientWidth));
    seen.observe(here.current);
    return () => seen.disconnect();
  }, []);
  return width;
}

function Hop({ hop, card, lit, isTrace, isChosen, choose, withText }) {
  const pick = () => choose(hop.id);
  const state = [hop.kind, isChosen ? "is-chosen" : "", lit ? "lit" : ""].join(" ");
  return html`<button type="button" class="hop ${state}" style=${box(card)} title=${hop.told} aria-pressed=${isChosen} onClick=${pick} onFocus=${pick} onMouseEnter=${pick}>
    <span class="hop-head"><span class="hop-title">${hop.title}</span>${hop.what && html`<span class="hop-what">${hop.what}</span>`}</span>
    ${withText && html`<span class="hop-told">${hop.told}</span>`}
    ${isTrace ? html`<${Passed} lit=${lit} otherwise=${hop.id === "clients" ? UNSEEN : undefined} />` : html`<${Now} hop=${hop} withDevices=${!withText} />`}
  </button>`;
}

// what a hop does just now
function Now({ hop, withDevices }) {
  return html`
    <span class="hop-main"><b>${hop.main.value}</b> ${hop.main.unit}</span>
    ${hop.lag && hop.id !== "bus" && html`<${Lag} lag=${hop.lag} />`}
    <span class="hop-figures">${hop.figures.map((text) => html`<span key=${text}>${text}</span>`)}</span>
    ${hop.id === "clients" && withDevices && html`<${Devices} />`}
    ${hop.foot && html`<span class="hop-main hop-foot"><b>${hop.foot.value}</b> ${hop.foot.unit}</span>`}
    ${hop.alarm && html`<span class="badge bad hop-alarm">${hop.alarm}</span>`}
    ${hop.id === "bus" && html`<${Partitions} lag=${hop.lag} />`}
  `;
}

// what a trace says of a hop
function Passed({ lit, otherwise = "not on this way" }) {
  if (!lit) return html`<span class="hop-figures">${otherwise}</span>`;
  return html`<span class="hop-main"><b>${lit.text}</b></span><span class="hop-figures">${lit.more}</span>`;
}

function Devices() {
  return html`<svg class="devices" viewBox="0 0 64 40" aria-hidden="true"><path d="M3 5h40v26H3zM3 12h40M8 8.500h3M50 11h11v22H50zM54 30h3M12 18h14M12 23h22" /></svg>`;
}

// where the narrow picture ends: at the clients again
function Back({ card, flow, lit, isTrace }) {
  return html`<div class="hop client ${lit ? "lit" : ""}" style=${box(card)}>
    <span class="hop-head"><span class="hop-title">Clients again</span></span>
    ${isTrace ? html`<${Passed} lit=${lit} otherwise=${UNSEEN} />` : html`<span class="hop-told">${flow.gateway.subscriptions ?? 0} subscriptions see a row change without asking again.</span>`}
  </div>`;
}

// a bar a partition; the height is a logarithm, so that 3 and 30,000 both can be seen
function Lag({ lag }) {
  return html`<span class="lag" aria-hidden="true">${fewer(lag).map(({ partition, messages }) => html`<span key=${partition} class=${toneOf(messages)} style=${{ height: `${2 + 16 * share(messages)}px` }}></span>`)}</span>`;
}

function Partitions({ lag }) {
  return html`<span class="partitions" aria-hidden="true">
    ${fewer(lag).map(({ partition, messages }) => html`<span key=${partition} class="partition"><span class=${toneOf(messages)} style=${{ width: `${100 * share(messages)}%` }}></span></span>`)}
  </span>`;
}

const share = (messages) => Math.min(1, Math.log10(1 + messages) / 3.5);
const toneOf = (messages) => (messages >= 1_000 ? "many" : messages > 0 ? "some" : "none");

function fewer(lag) {
  if (lag.length <= BARS_MAX) return lag;
  const each = Math.ceil(lag.length / BARS_MAX);
  return Array.from({ length: Math.ceil(lag.length / each) }, (_, at) => ({
    partition: at,
    messages: Math.max(...lag.slice(at * each, (at + 1) * each).map((one) => one.messages)),
  }));
}

// what goes through each pipe, a second
function rates(flow) {
  const found = {
    "clients > commands": flow.commands.per_s,
    "commands > store": flow.store.per_s,
    "store > relay": flow.relay.per_s,
    "relay > bus": flow.relay.per_s,
    "rows > gateway": flow.gateway.pushes_per_s ?? 0,
    "gateway > clients": flow.gateway.pushes_per_s ?? 0,
    "gateway > back": flow.gateway.pushes_per_s ?? 0,
  };
  const sent = Math.max(0, ...flow.sagas.map((saga) => saga.per_s));
  for (const group of flow.groups) {
    found[`bus > group ${group.name}`] = group.per_s;
    found[`group ${group.name} > ${group.saga ? `outbox ${group.name}` : "rows"}`] = group.per_s;
    if (group.saga) found[`outbox ${group.name} > commands`] = sent;
  }
  return found;
}

const speed = (rate) => (rate > 200 ? "fast" : rate > 20 ? "brisk" : rate > 0 ? "slow" : "");

function Pipes({ place, rates: through, lit }) {
  return html`<svg class="pipes" width=${place.width} height=${place.height} aria-hidden="true" focusable="false">
    ${place.pipes.map(({ id, from, to, kind, d, end, turn }) => {
      const isLit = lit && lit[from] && (lit[to] || (to === "back" && lit.clients));
      const moves = lit ? (isLit ? "slow" : "") : speed(through[id]);
      return html`<g key=${id} class="pipe ${kind} ${moves ? "flows" : ""}">
        <path class="pipe-bed" d=${d} />
        ${moves && html`<path class="pipe-flow ${moves}" d=${d} />`}
        <path class="pipe-end" d="M-9 -6L0 0L-9 6Z" transform="translate(${end[0]} ${end[1]}) rotate(${turn})" />
      </g>`;
    })}
  </svg>`;
}
