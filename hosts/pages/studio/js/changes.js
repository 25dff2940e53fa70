// A state as text, with what changed against the state before.

import { html } from "./core.js";
import { lines, tally } from "./diff.js";

const SIGNS = { added: "+", removed: "−", changed: "~", same: "" };
const WORDS = { added: "came", removed: "went", changed: "changed" };
const SHOWN = 2_000; // lines

export function Changes({ before, after, first = false }) {
  const marked = lines(before, after);
  return html`
    <p class="changes-sum">${first ? "Nothing has happened yet." : summed(tally(marked))}</p>
    <pre class="changes" tabindex="0" aria-label="State">${marked.slice(0, SHOWN).map((line) => html`<${Line} ...${line} />`)}</pre>
    ${marked.length > SHOWN && html`<p class="quiet">${marked.length - SHOWN} more lines are not shown.</p>`}
  `;
}

function summed(count) {
  const said = Object.entries(count).filter(([, n]) => n > 0);
  if (said.length === 0) return html`<span class="quiet">This event changed nothing here.</span>`;
  return said.map(([mark, n]) => html`<span class="changes-count ${mark}">${n} ${n === 1 ? "line" : "lines"} ${WORDS[mark]}</span>`);
}

function Line({ depth, text, mark, was }) {
  const indented = "  ".repeat(depth) + text;
  const said = mark === "same" ? "" : html`<span class="unseen">${WORDS[mark]}: </span>`;
  const inside = mark === "added" || mark === "changed" ? html`<ins>${indented}</ins>` : mark === "removed" ? html`<del>${indented}</del>` : indented;
  return html`<span class="changes-line ${mark}"><span class="changes-sign" aria-hidden="true">${SIGNS[mark]}</span>${said}${inside}${was !== undefined && html`  <del class="changes-was">${was}</del>`}${"\n"}</span>`;
}
