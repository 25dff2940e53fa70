// Who caused what: the chain of an event as a picture, and the same as a list for whoever does not see it.

import { html, time, to, useEffect, useLayoutEffect, usePolled, useRef, useState } from "./core.js";
import { ACROSS, DOWN, layout, told } from "./chain.js";
import { Loading, Problem } from "./ui.js";

const GROWN_MS = 3_000;
const NARROW = 640;
const LETTER = 7.3; // pixels of a letter of an id
const PAD = 12;
const WIDEST = 280;

export function Chain({ name, version }) {
  const { data, error } = usePolled("chain", { name, version }, GROWN_MS);
  const [last, setLast] = useState(null); // stays while the next one is asked for
  useEffect(() => {
    if (data) setLast(data);
  }, [data]);
  const chain = data ?? last;
  return html`<section class="panel chain" aria-labelledby="chain-title">
    <h2 id="chain-title">Who caused what</h2>
    ${error && !data && html`<${Problem} error=${error} />`}
    ${!chain && !error && html`<${Loading} what="chain" />`}
    ${chain && html`<${Picture} chain=${chain} here=${`${name}@${version}`} />`}
  </section>`;
}

function Picture({ chain, here }) {
  const [box, room] = useRoom();
  const way = fitting(room, chain);
  const { width, height, nodes, edges } = layout(chain, way);
  const [x, y] = middleOf(nodes.find((node) => node.id === here), way);
  useEffect(() => {
    box.current.scrollTo({ left: x - box.current.clientWidth / 2, top: y - box.current.clientHeight / 2 });
  }, [here, width, height]);
  const alone = nodes.length === 1;
  return html`
    ${alone && html`<p class="quiet">It was a command from outside, and it has led to nothing else.</p>`}
    <div class="chain-box" ref=${box}>
      <svg width=${width} height=${height} viewBox="0 0 ${width} ${height}" role="group" aria-label="Picture of the chain">
        ${edges.map((edge) => html`<path key=${`${edge.from} ${edge.to}`} class=${`chain-edge ${backOf(nodes, edge) ? "back" : ""}`} d=${edge.path} />`)}
        ${edges.map((edge) => html`<${Label} key=${edge.to} edge=${edge} back=${backOf(nodes, edge)} />`)}
        ${nodes.map((node) => html`<${Node} key=${node.id} node=${node} box=${way.box} here=${node.id === here} />`)}
      </svg>
    </div>
    ${chain.cut && html`<p class="quiet">The chain goes on; this is as much of it as is drawn.</p>`}
    <details class="chain-list">
      <summary>The same as a list</summary>
      <ol>${told(chain).map((one) => html`<${Item} key=${one.node.id} ...${one} here=${here} />`)}</ol>
    </details>
  `;
}

const backOf = (nodes, edge) => nodes.find((node) => node.id === edge.to)?.compensates;

const middleOf = (node, { box }) => (node ? [node.x + box.width / 2, node.y + box.height / 2] : [0, 0]);

// how wide the picture may be
function useRoom() {
  const box = useRef(null);
  const [room, setRoom] = useState(1_000);
  useLayoutEffect(() => {
    const measured = () => box.current && setRoom(box.current.clientWidth);
    measured();
    window.addEventListener("resize", measured);
    return () => window.removeEventListener("resize", measured);
  }, []);
  return [box, room];
}

// Across where there is room, down on a phone; boxes as wide as the longest name, if all layers fit side by side then.
function fitting(room, chain) {
  const way = room < NARROW ? DOWN : ACROSS;
  const layers = way.down ? 1 : 1 + Math.max(...told(chain).map(({ depth }) => depth));
  const share = (room - 8 - (layers - 1) * way.gap.along) / layers;
  const longest = Math.max(...chain.nodes.map((node) => Math.max(node.id.length, node.type.length + 4))) * LETTER + 2 * PAD;
  const width = Math.ceil(Math.max(way.box.width, Math.min(WIDEST, longest, share)));
  return { ...way, box: { ...way.box, width } };
}

function Label({ edge, back }) {
  const text = edge.saga ?? "";
  if (!text) return null;
  const width = text.length * 6.6 + 12;
  return html`<g class=${`chain-label ${back ? "back" : ""}`} aria-hidden="true">
    <rect x=${edge.label.x - width / 2} y=${edge.label.y - 10} width=${width} height="20" rx="10" />
    <text x=${edge.label.x} y=${edge.label.y + 4} text-anchor="middle">${text}</text>
  </g>`;
}

// the name of the link is what the box says; where that had to be cut, the list below says it whole
function Node({ node, box, here }) {
  const most = Math.floor((box.width - 2 * PAD) / LETTER);
  const type = clipped(`${node.compensates ? "↩ " : ""}${node.type}`, most - 2);
  return html`<a href=${to("streams", node.stream, { at: node.version })} aria-current=${here ? "true" : undefined} class=${`chain-node ${here ? "here" : ""} ${node.compensates ? "back" : ""}`}>
    <rect x=${node.x} y=${node.y} width=${box.width} height=${box.height} rx="9" />
    <text><tspan x=${node.x + PAD} y=${node.y + 23} class="chain-type">${type}</tspan>${" "}<tspan x=${node.x + PAD} y=${node.y + 42} class="chain-id">${clipped(node.id, most)}</tspan></text>
  </a>`;
}

const clipped = (text, most) => (text.length > most ? `${text.slice(0, (most >> 1) - 1)}…${text.slice(text.length - (most >> 1))}` : text);

function Item({ node, depth, edge, here }) {
  const by = edge === null ? "a command from outside" : `${edge.saga ? `saga ${edge.saga}, because of ` : "because of "}${edge.from}`;
  return html`<li style=${{ marginInlineStart: `${Math.min(depth, 12) * 1.25}rem` }}>
    <a href=${to("streams", node.stream, { at: node.version })} aria-current=${node.id === here ? "true" : undefined}>${node.type} ${node.id}</a>
    <span class="quiet"> ${node.compensates ? "compensation by " : "by "}${by}, ${time(node.time)}</span>
  </li>`;
}
