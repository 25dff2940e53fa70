import { html } from "../core.js";

export default function View() {
  return html`<h1>Rows</h1>`;
}
