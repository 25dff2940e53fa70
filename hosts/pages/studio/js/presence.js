// Whether the server is there and knows who we are, said calmly; and the dialog that takes a token from whoever has to bring one.

import { credentials, html, outdated, reachable, setToken, settings, useEffect, useState, useStore } from "./core.js";
import { useFlow } from "./flowing.js";
import { reopen, useConnection } from "./live.js";
import { Dialog, Field } from "./ui.js";

const PATIENCE_MS = 600; // a socket that is opened anew at once is not worth a word

// "live" | "connecting" | "away" | "refused"; what goes away and comes back at once is still "live"
export function usePresence() {
  const connection = useConnection();
  const answers = useStore(reachable);
  const now = !answers || connection === "lost" ? "away" : connection === "open" || connection === "none" ? "live" : connection;
  const [said, say] = useState(now);
  useEffect(() => {
    if (now !== "away") return void say(now);
    const timer = setTimeout(() => say(now), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [now]);
  return said;
}

const WORDS = { live: "live", connecting: "connecting …", away: "reconnecting …", refused: "not signed in" };

// in the header
export function Presence() {
  const presence = usePresence();
  const [asks, ask] = useState(false);
  const brings = !settings.token && settings.endpoint; // an identity provider signs the tokens here
  return html`
    <span class="presence ${presence}" role="status"><span class="presence-dot" aria-hidden="true"></span>${WORDS[presence]}</span>
    ${brings && html`<button type="button" onClick=${() => ask(true)}>${useStore(credentials) ? "Other token" : "Sign in"}</button>`}
    <${SignIn} open=${asks} onClose=${() => ask(false)} />
  `;
}

// under the header, while something is not as it should be
export function Notices() {
  const presence = usePresence();
  const isOutdated = useStore(outdated);
  const { data, stale } = useFlow();
  const [asks, ask] = useState(false);
  return html`
    ${presence === "away" && html`<div class="notice" role="status"><p><strong>The server is not there just now.</strong> What you see is what was last known. Reconnecting by itself …</p></div>`}
    ${presence === "refused" &&
    html`<div class="notice" role="status">
      <p><strong>${settings.token ? "The server does not take this page’s token any more." : credentials.get() ? "The server does not take this token." : "Sign in to see what is yours."}</strong> Figures go on; rows and commands need a token.</p>
      ${settings.token ? html`<button type="button" onClick=${() => location.reload()}>Reload the page</button>` : html`<button type="button" onClick=${() => ask(true)}>Sign in with a token</button>`}
    </div>`}
    ${isOutdated &&
    html`<div class="notice" role="status"><p>The server has a newer version of this page.</p><button type="button" onClick=${() => location.reload()}>Reload</button></div>`}
    ${data?.failure && !stale && html`<div class="notice bad" role="alert"><p><strong>The flow has stopped:</strong> ${data.failure}</p></div>`}
    <${SignIn} open=${asks} onClose=${() => ask(false)} />
  `;
}

function SignIn({ open, onClose }) {
  const [text, setText] = useState("");
  const [error, setError] = useState("");
  const submit = (event) => {
    event.preventDefault();
    const clean = text.trim();
    if (clean && !/^(Bearer\s+)?[\w-]+\.[\w-]+\.[\w-]+$/i.test(clean)) return setError("This is no JSON Web Token: three parts with dots between them.");
    setError("");
    const before = credentials.get();
    setToken(clean);
    if (credentials.get() === before) reopen(); // the same once more: try it again
    setText("");
    onClose();
  };
  return html`<${Dialog} open=${open} title="Sign in with a token" onClose=${onClose}>
    <form onSubmit=${submit}>
      <p>Paste a token of this app’s identity provider. It stays in this tab until you close it, and goes to this server only.</p>
      <${Field} label="Token" hint="A JSON Web Token; leave it empty to be nobody again." error=${error}>
        ${(given) => html`<textarea ...${given} rows="5" spellcheck="false" autocomplete="off" value=${text} onInput=${(event) => setText(event.target.value)}></textarea>`}
      </${Field}>
      <div class="dialog-actions"><button type="button" onClick=${onClose}>Cancel</button><button type="submit" class="primary">Sign in</button></div>
    </form>
  </${Dialog}>`;
}
