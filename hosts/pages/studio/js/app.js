// The shell: name, navigation, whether the server is there, light or dark, and one view at a time, fetched when it is first looked at.

import { credentials, css, html, outdated, reachable, render, settings, setToken, to, useEffect, useErrorBoundary, useModel, usePolled, useRef, useRoute, useState, useStore } from "./core.js";
import { reopen, useConnection } from "./live.js";
import { Boat, Dialog, Field, Loading, Problem } from "./ui.js";

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
  const [broken, mend] = useErrorBoundary();
  if (broken) return html`<h1>${title}</h1><${Problem} error=${broken} again=${mend} />`;
  if (error) return html`<h1>${title}</h1><${Problem} error="This part of the page could not be fetched." again=${() => location.reload()} />`;
  if (!View || model === null) return html`<h1>${title}</h1><${Loading} what=${model === null ? "the model of the app" : title} />`;
  return html`<${View} model=${model} route=${route} />`;
}

function App() {
  const model = useModel();
  const route = useRoute();
  const main = useRef(null);
  const [theme, nextTheme] = useTheme();
  const shown = VIEWS.filter(([, , has]) => model === null || has(model));
  const view = VIEWS.find(([name]) => name === route.view);
  useEffect(() => {
    document.title = `${view ? view[1] : "Not found"} · ${settings.title} · Trimaran studio`;
  }, [route.view]);
  return html`
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), main.current.focus())}>Skip to the content</a>
    <header class="top">
      <a class="brand" href="#/flow"><${Boat} /><span class="brand-name">${settings.title}</span></a>
      <nav aria-label="Views">
        <ul>${shown.map(([name, title]) => html`<li key=${name}><a href="#/${name}" aria-current=${route.view === name ? "page" : undefined}>${title}</a></li>`)}</ul>
      </nav>
      <div class="tools"><button type="button" class="plain" onClick=${nextTheme}>Theme: ${theme}</button></div>
    </header>
    <main id="main" tabindex="-1" ref=${main}>
      ${view ? html`<${Stage} key=${route.view} model=${model} route=${route} title=${view[1]} />` : html`<h1>Not found</h1><p>There is no view “${route.view}”. <a href="#/flow">Back to the flow</a></p>`}
    </main>
  `;
}

const place = document.getElementById("studio");
place.textContent = "";
render(html`<${App} />`, place);
