// The events of a stream as a timeline that draws only what can be seen: 10,000 events are as quick as ten.

import { html, number, time, useEffect, useRef, useState } from "./core.js";
import { news } from "./news.js";
import { Badge } from "./ui.js";
import { revealed, span } from "./virtual.js";

const ROW = 58; // css/streams.css says the same

export function Timeline({ stream, at, onMove }) {
  const box = useRef(null);
  const [{ top, height }, setSeen] = useState({ top: 0, height: 600 });
  const seen = () => setSeen({ top: box.current.scrollTop, height: box.current.clientHeight });
  const { from, to, before, after } = span(top, height, ROW, stream.version);
  useEffect(() => {
    if (to > from) stream.need(from + 1, to);
  }, [from, to, stream.version]);
  useEffect(() => {
    const there = at > 0 ? revealed(at - 1, box.current.scrollTop, box.current.clientHeight, ROW) : 0;
    if (there !== null) box.current.scrollTop = there;
    seen();
  }, [at, stream.version]);
  const versions = Array.from({ length: Math.max(0, to - from) }, (_, n) => from + n + 1);
  return html`<div class="timeline" ref=${box} onScroll=${seen} role="region" aria-label="Timeline" tabindex="-1">
    <ol style=${{ paddingTop: `${before}px`, paddingBottom: `${after}px` }}>
      ${versions.map(
        (version) => html`<li key=${version} class=${`timeline-row ${version > at ? "later" : ""}`} aria-setsize=${stream.version} aria-posinset=${version}>
          <button type="button" class="plain" aria-current=${version === at ? "step" : undefined} onClick=${() => onMove(version)}><${Row} version=${version} events=${stream.at(version)} before=${stream.at(version - 1)} later=${version > at} /></button>
        </li>`,
      )}
    </ol>
  </div>`;
}

function Row({ version, events, before, later }) {
  const [event] = events ?? [];
  return html`
    <span class="timeline-dot" aria-hidden="true"></span>
    <span class="timeline-version">${number(version)}</span>
    <span class="timeline-told">
      ${event ? html`<span class="timeline-type">${event.type}${events.length > 1 && ` and ${events.length - 1} more`}</span>` : html`<span class="quiet">…</span>`}
      ${event?.saga && html` <${Badge} tone="accent">${event.saga}<//>`}
      ${event && html`<span class="timeline-data">${news(event.data, before?.[0].data)}</span>`}
    </span>
    ${event && html`<time class="timeline-time" datetime=${event.time}>${time(event.time)}</time>`}
    ${later && html`<span class="unseen">, later</span>`}
  `;
}
