// The shell: name, navigation, whether the server is there, light or dark, and one view at a time, fetched when it is first looked at.

import { html, modelFailure, loadModel, render, settings, useEffect, useErrorBoundary, useModel, useRef, useRoute, useState, useStore } from "./core.js";
import { Pulse, useFlow } from "./flowing.js";
import { Notices, Presence } from "./presence.js";
import { Boat, Loading, Problem } from "./ui.js";

// name, title, and whether this app has any of it
const VIEWS = [
  ["flow", "Flow", () => true],
  ["streams", "Streams", () => true],
  ["rows", "Rows", (model) => model.rows.length > 0],
  ["board", "Board", (model) => model.looks.some((look) => look.kind === "timetable")],
  ["charts", "Charts", (model) => model.rows.some((part) => part.aggregation) || model.looks.some((look) => look.kind === "chart")],
  ["sagas", "Sagas", (model) => model.sagas.length > 0],
  ["letters", "Letters", () => true],
  ["rebuilds", "Rebuilds", () => true],
  ["try", "Try it", () => true],
];

// ---- light and dark

const THEMES = ["auto", "light", "dark"];
const KEPT = "trimaran:theme";

function useTheme() {
  const [theme, setTheme] = useState(THEMES.includes(localStorage.getItem(KEPT)) ? localStorage.getItem(KEPT) : "auto");
  useEffect(() => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    localStorage.setItem(KEPT, theme);
  }, [theme]);
  return [theme, () => setTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length])];
}

// ---- the view that the address asks for

const loaded = new Map();

function useView(name) {
  const [, told] = useState(0);
  const here = loaded.get(name);
  useEffect(() => {
    if (loaded.get(name)?.View) return;
    loaded.set(name, {});
    import(`./views/${name}.js`).then(
      (module) => (loaded.set(name, { View: module.default }), told(Math.random())),
      (error) => (loaded.set(name, { error }), told(Math.random())),
    );
  }, [name]);
  return here ?? {};
}

function Stage({ model, route, title }) {
  const { View, error } = useView(route.view);
  const failure = useStore(modelFailure);
  const [broken, mend] = useErrorBoundary();
  if (broken) return html`<h1>${title}</h1><${Problem} error=${broken} again=${mend} />`;
  if (error) return html`<h1>${title}</h1><${Problem} error="This part of the page could not be fetched." again=${() => location.reload()} />`;
  if (model === null && failure?.status) return html`<h1>${title}</h1><${Problem} error=${failure} again=${loadModel} />`;
  if (!View || model === null) return html`<h1>${title}</h1><${Loading} what=${model === null ? "the model of the app" : title} />`;
  return html`<${View} model=${model} route=${route} />`;
}

// what waits for a person, beside the name of the view that shows it
function Waiting({ name }) {
  const { data } = useFlow();
  const sum = (figures, field) => (figures ?? []).reduce((total, one) => total + (one[field] ?? 0), 0);
  const count = name === "letters" ? sum(data?.groups, "letters") : name === "sagas" ? sum(data?.sagas, "stuck") : 0;
  return count ? html`<span class="badge bad">${count}<span class="unseen"> ${name === "letters" ? "parked" : "stuck"}</span></span>` : null;
}

function Navigation({ model, current }) {
  const here = useRef(null);
  useEffect(() => here.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [current, model]);
  return html`<nav aria-label="Views" ref=${here}>
    <ul>
      ${VIEWS.filter(([, , has]) => model === null || has(model)).map(
        ([name, title]) => html`<li key=${name}><a href="#/${name}" aria-current=${current === name ? "page" : undefined}>${title}<${Waiting} name=${name} /></a></li>`,
      )}
    </ul>
  </nav>`;
}

function Theme() {
  const [theme, next] = useTheme();
  return html`<button type="button" class="plain theme" onClick=${next} title="Colours: ${theme}" aria-label="Colours: ${theme}">
    <svg viewBox="0 0 20 20" aria-hidden="true" class=${theme}><circle cx="10" cy="10" r="7" /><path d="M10 3a7 7 0 0 1 0 14z" /></svg>
  </button>`;
}

function App() {
  const model = useModel();
  const route = useRoute();
  const main = useRef(null);
  const view = VIEWS.find(([name]) => name === route.view);
  useEffect(() => {
    document.title = `${view ? view[1] : "Not found"} · ${settings.title} · Trimaran studio`;
    window.scrollTo(0, 0);
  }, [route.view]);
  const skip = (event) => (event.preventDefault(), main.current.focus());
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="top">
      <a class="brand" href="#/flow"><${Boat} /><span class="brand-name">${settings.title}</span></a>
      <${Navigation} model=${model} current=${route.view} />
      <div class="tools"><${Presence} /><${Theme} /></div>
    </header>
    <${Notices} />
    <main id="main" tabindex="-1" ref=${main}>
      ${view
        ? html`<${Stage} key=${route.view} model=${model} route=${route} title=${view[1]} />`
        : html`<h1>Not found</h1><p>There is no view “${route.view}”. <a href="#/flow">Back to the flow</a></p>`}
    </main>
    <${Pulse} />
  `;
}

const place = document.getElementById("studio");
place.textContent = "";
render(html`<${App} />`, place);
