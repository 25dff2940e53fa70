// Try it: a command filled in and sent as any client would send it, with what came of it, or what was wrong and where.

import { admin, css, html, to, useEffect, useRef, useState } from "../core.js";
import { mutation, placed, start, variables } from "../form.js";
import { Input } from "../inputs.js";
import { mutate, newTraceparent } from "../live.js";
import { samplesOf } from "../samples.js";
import { split } from "../stream.js";
import { Badge, Empty } from "../ui.js";
import { witnessed } from "../witness.js";

css("try");

const RESULTS = 12;
const AGAIN = ["AWAY", "UNAVAILABLE", "CONFLICT"]; // it may have taken effect: the same key makes sending again safe

const WIDE = window.matchMedia("(min-width: 1200px)");

const typed = new Map(); // command -> its texts, kept while the page is open
const results = []; // the newest first

export default function View({ model, route }) {
  const [name] = route.args;
  const commands = model.commands;
  const chosen = commands.find((command) => command.name === name) ?? (name ? null : commands.find((command) => command.mutation));
  return html`
    <header class="try-head"><h1>Try it</h1><p><a class="button" href="/graphql">Open GraphiQL</a></p></header>
    <p class="quiet try-what">A form sends the GraphQL mutation of a command, as the person this page is signed in as. GraphiQL has queries, live rows and everything else of the schema.</p>
    ${commands.length === 0 && html`<${Empty} title="This app has no commands">There is nothing to send.<//>`}
    <div class="try-columns">
      <${Choice} model=${model} chosen=${chosen?.name} />
      ${chosen?.mutation && html`<${Form} key=${chosen.name} command=${chosen} kind=${chosen.kind} />`}
      ${chosen && !chosen.mutation && html`<section class="panel try-closed"><h2>${chosen.name}</h2><${Closed} command=${chosen} /></section>`}
      ${!chosen && commands.length > 0 && html`<section class="panel try-closed"><p>${name ? `There is no command ${name}.` : "No command of this app is sent by people: none is in api=."}</p></section>`}
    </div>
  `;
}

function Choice({ model, chosen }) {
  const kinds = model.kinds.map((kind) => [kind.name, model.commands.filter((command) => command.kind === kind.name)]).filter(([, those]) => those.length > 0);
  return html`<nav class="try-choice" aria-label="Commands">
    ${kinds.map(([kind, those]) => html`<section key=${kind}>
      <h2>${kind}</h2>
      <ul>${those.map((command) => html`<li key=${command.name}>
        <a href=${to("try", command.name)} class=${command.mutation ? "" : "closed"} aria-current=${command.name === chosen ? "page" : undefined}>${command.name}${!command.mutation && html` <small>not open</small>`}</a>
      </li>`)}</ul>
    </section>`)}
  </nav>`;
}

const Closed = ({ command }) => html`
  ${command.doc && html`<p>${command.doc}</p>`}
  <p class="quiet">Nobody sends it from outside: it is not in the app's <code>api=</code>. A saga may. <code>send(${command.name}, allow=…)</code> there would open it, and a form would be here.</p>`;

// what an event of the same kind really said, to begin with
async function reality(kind) {
  const [recent, named] = await Promise.all([admin("streams/recent"), admin("streams", { kind, limit: 1 })]);
  const stream = recent.streams.find((one) => one.kind === kind) ?? named.streams[0];
  if (!stream) return { event: null, id: null };
  const { events } = await admin("stream", { name: stream.stream, limit: 1 });
  return { event: events[0] ?? null, id: stream.id };
}

function useTexts(command) {
  const [texts, setTexts] = useState(typed.get(command.name) ?? start(command.fields, samplesOf(command.fields, null, null)));
  const set = (next) => (typed.set(command.name, next), setTexts(next));
  const fill = async () => {
    const { event, id } = await reality(command.kind).catch(() => ({ event: null, id: null }));
    set(start(command.fields, samplesOf(command.fields, event, id)));
  };
  useEffect(() => {
    if (!typed.has(command.name)) fill();
  }, []);
  return [texts, (name, text) => set({ ...typed.get(command.name), ...texts, [name]: text }), fill];
}

function Form({ command }) {
  const [texts, change, fill] = useTexts(command);
  const [problems, setProblems] = useState({ fields: {}, above: [] });
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState(null);
  const unsure = useRef(null); // {key, said} of a command that may have taken effect
  const form = useRef(null);
  useEffect(() => {
    const wrong = form.current.querySelector("[aria-invalid=true]") ?? form.current.querySelector(".try-refused");
    wrong?.focus();
  }, [problems]);

  const send = async (event) => {
    event.preventDefault();
    if (busy) return;
    const { input, errors } = variables(command.fields, texts);
    setDone(null);
    if (Object.keys(errors).length > 0) return setProblems({ fields: errors, above: [] });
    setBusy(true);
    const said = JSON.stringify(input);
    const key = unsure.current?.said === said ? unsure.current.key : crypto.randomUUID();
    const traceparent = newTraceparent();
    try {
      const data = await witnessed(command, input, () => mutate(mutation(command), { input, key }, { traceparent }));
      unsure.current = null;
      const made = { command: command.name, at: new Date(), key, ...data[command.mutation] };
      results.unshift(made);
      results.length = Math.min(results.length, RESULTS);
      setProblems({ fields: {}, above: [] });
      setDone(made);
    } catch (failure) {
      unsure.current = AGAIN.includes(failure.code) ? { key, said } : null;
      setProblems(placed(failure.errors ?? [{ message: failure.message, extensions: { code: failure.code } }], command.fields));
    }
    setBusy(false);
  };
  return html`<div class="try-side">
    <form class="panel try-form" ref=${form} onSubmit=${send} noValidate aria-labelledby="try-command">
      <h2 id="try-command">${command.name} <${Badge}>${command.kind}<//></h2>
      ${command.doc && html`<p>${command.doc}</p>`}
      <div aria-live="polite">${problems.above.map((problem, n) => html`<${Refused} key=${n} ...${problem} unsure=${unsure.current !== null} />`)}</div>
      <div class="try-fields">${command.fields.map((field) => html`<${Input} key=${field.graphql} field=${field} kind=${command.kind} value=${texts[field.graphql]} error=${problems.fields[field.graphql]} change=${(text) => change(field.graphql, text)} />`)}</div>
      <p class="try-actions">
        <button type="submit" class="primary" disabled=${busy}>${busy ? "Sending …" : `Send ${command.name}`}</button>
        <button type="button" onClick=${fill} disabled=${busy}>Other values</button>
      </p>
      <div role="status">${done && html`<${Done} made=${done} />`}</div>
    </form>
    <div class="try-aside"><${Said} command=${command} texts=${texts} /><${Before} done=${done} /></div>
  </div>`;
}

const REASONS = {
  REJECTED: "Refused by the business rules",
  FORBIDDEN: "Not yours to send",
  UNAUTHENTICATED: "Not signed in",
  CONFLICT: "Somebody else was first",
  UNAVAILABLE: "A store did not answer in time",
  AWAY: "The server is away",
  KEY_REUSED: "The key was used for another command",
  LIMIT_EXCEEDED: "Too much",
  STOPPED: "An operator must act first",
};

function Refused({ code, message, trace, unsure }) {
  return html`<div class="try-refused" tabindex="-1">
    <p><strong>${REASONS[code] ?? "Not done"}</strong> ${code && html`<code>${code}</code>`}</p>
    <p>${message}</p>
    ${unsure && html`<p class="try-unsure">It may have taken effect. Sent again as it is, it carries the same key and takes effect once.</p>`}
    ${trace && html`<p class="quiet">The log knows it as <code>${trace}</code></p>`}
  </div>`;
}

const Links = ({ token }) => {
  const [stream, version] = split(token);
  return html`<a href=${to("streams", stream, { at: version })}>its stream</a> · <a href=${to("flow", token)}>its way, hop by hop</a>`;
};

const Done = ({ made }) => html`<div class="try-done">
  <p><strong>${made.replayed ? "Was carried out before:" : "Stored as"}</strong> <code class="try-token">${made.token}</code></p>
  <p><${Links} token=${made.token} /></p>
</div>`;

// what the form sends, to learn from
function Said({ command, texts }) {
  const { input, errors } = variables(command.fields, texts);
  const wrong = Object.keys(errors).length;
  return html`<details class="panel try-said" open=${WIDE.matches}>
    <summary>The same in GraphQL</summary>
    <pre tabindex="0" aria-label="Mutation">${mutation(command)}</pre>
    <pre tabindex="0" aria-label="Variables">${JSON.stringify({ input, key: "a fresh one for each sending" }, null, 2)}</pre>
    ${wrong > 0 && html`<p class="quiet">Without what cannot be sent yet: ${Object.keys(errors).join(", ")}.</p>`}
  </details>`;
}

function Before({ done }) {
  const shown = results.filter((made) => made !== done);
  if (shown.length === 0) return null;
  return html`<section class="try-before" aria-labelledby="try-before">
    <h2 id="try-before">Sent before</h2>
    <ul>${shown.map((made) => html`<li key=${made.key}><span>${made.command}</span> <code>${made.token}</code> <span><${Links} token=${made.token} /></span></li>`)}</ul>
  </section>`;
}
