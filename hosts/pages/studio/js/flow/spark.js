// A line of the last minutes, with its highest point named.

import { html, number } from "../core.js";
import { KEPT_MS } from "../flowing.js";

const WIDTH = 240;
const HEIGHT = 44;
const FIRST_MS = 20_000; // as wide as this at the beginning

export function Spark({ past, of, title, tone = "write" }) {
  const now = past.at(-1)?.at ?? 0;
  const span = Math.min(KEPT_MS, Math.max(FIRST_MS, now - (past[0]?.at ?? now)));
  const top = Math.max(1, ...past.map((point) => point[of]));
  const points = past.map((point) => [WIDTH - ((now - point.at) / span) * WIDTH, HEIGHT - 3 - (point[of] / top) * (HEIGHT - 8)]);
  const line = points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  const told = `${title} in the last ${Math.round(span / 1_000)} seconds: ${number(past.at(-1)?.[of] ?? 0, true)} now, ${number(Math.max(0, ...past.map((point) => point[of])), true)} at most`;
  return html`<svg class="spark ${tone}" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${told}>
    <title>${told}</title>
    <path class="spark-ground" d="M0 ${HEIGHT - 2}H${WIDTH}" />
    ${points.length > 1 && html`<path class="spark-area" d="${line}V${HEIGHT - 2}H${points[0][0].toFixed(1)}Z" /><path class="spark-line" d=${line} />`}
  </svg>`;
}
