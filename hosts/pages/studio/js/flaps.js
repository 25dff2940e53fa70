// Split-flap letters, as stations and airports have had them: a letter that changes turns over, for a screen reader it is plain text.

import { html } from "./core.js";

// `text` on so many flaps; a letter that is another one is a new element, and turns in
export function Flaps({ text, flaps, tone = "" }) {
  const letters = [...text.toUpperCase().slice(0, flaps).padEnd(flaps)];
  return html`<span class="unseen">${text}</span><span class="flaps ${tone}" aria-hidden="true">
    ${letters.map((letter, place) => html`<span key=${place} class="flap"><span key=${letter} class="flap-letter" style=${{ animationDelay: `${(place % 8) * 22}ms` }}>${letter}</span></span>`)}
  </span>`;
}
