// What stands above figures that are asked for again and again: nothing yet, a problem, or that they are no longer fresh. While the server
// does not answer at all the shell says so, and nothing is said twice.

import { html } from "./core.js";
import { Loading, Lost, Problem } from "./ui.js";

// `polled` is what usePolled gave
export function Standing({ polled: { data, error, loading, stale, again }, what }) {
  const away = error?.status === 0;
  if (loading || (away && !data)) return html`<${Loading} what=${what} />`;
  if (error && !data) return html`<${Problem} error=${error} again=${again} />`;
  return stale && !away ? html`<${Lost} />` : null;
}
