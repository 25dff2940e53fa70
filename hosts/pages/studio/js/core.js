// What every view stands on: Preact, the page's settings and token, the admin endpoint, routes in the hash, and how figures are written.

import { h, html, render, useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback, useReducer, useErrorBoundary } from "./vendor/preact.js";

export { h, html, render, useState, useEffect, useLayoutEffect, useMemo, useRef, useCallback, useReducer, useErrorBoundary };

// settings: {title, app, token, endpoint, version}; the server's, as data in the page
export const settings = JSON.parse(document.getElementById("settings").textContent);

// ---- small stores: a value that components follow

export function store(first) {
  let value = first;
  const followers = new Set();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const tell of [...followers]) tell(value);
    },
    follow(tell) {
      followers.add(tell);
      return () => followers.delete(tell);
    },
  };
}

export function useStore(kept) {
  const [value, setValue] = useState(kept.get());
  useEffect(() => {
    setValue(kept.get());
    return kept.follow(setValue);
  }, [kept]);
  return value;
}

// ---- who we are: the server's token, or one that a person brought, kept with this tab only

const BROUGHT = `trimaran:${settings.app}:token`;

export const credentials = store(settings.token || sessionStorage.getItem(BROUGHT) || "");
export const token = () => credentials.get();
export const authorization = () => (token() ? { Authorization: `Bearer ${token()}` } : {});

// a token that a person brings; "" forgets it
export function setToken(text) {
  const clean = text.trim().replace(/^Bearer\s+/i, "");
  if (clean) sessionStorage.setItem(BROUGHT, clean);
  else sessionStorage.removeItem(BROUGHT);
  credentials.set(clean || settings.token || "");
}

let renewing = null;

// Fresh settings from `/`, after a refusal: the server may have been started anew with another key. True if there is another token now;
// several callers at once share one attempt.
export function renew() {
  renewing ??= fetchSettings().finally(() => (renewing = null));
  return renewing;
}

async function fetchSettings() {
  const answer = await fetch("/", { cache: "no-store", headers: { accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return false;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = JSON.parse(page.getElementById("settings")?.textContent ?? "{}");
  const before = settings.token;
  if (fresh.version && fresh.version !== settings.version) outdated.set(true);
  settings.token = fresh.token ?? "";
  if (!settings.token || settings.token === before) return false;
  credentials.set(settings.token);
  return true;
}

export const outdated = store(false); // the server has another version of this page

// ---- whether the server answers

export const reachable = store(true);

// ---- the admin endpoint

export class Failure extends Error {
  constructor(message, code = "", status = 0) {
    super(message);
    this.code = code;
    this.status = status; // 0: no answer at all
  }
}

// admin("streams", {kind: "order"}) is GET /admin/streams?kind=order
export function admin(path, params = {}) {
  const given = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const query = new URLSearchParams(given).toString();
  return asked(`/admin/${path}${query ? `?${query}` : ""}`, {});
}

// operate("redrive", {part, stream}) is POST /operate/redrive, as the person that the token names
export async function operate(what, body = {}) {
  const send = () =>
    asked(`/operate/${what}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...authorization() },
      body: JSON.stringify(body),
    });
  try {
    return await send();
  } catch (failure) {
    if (failure.status === 401 && (await renew())) return send();
    throw failure;
  }
}

async function asked(address, options) {
  let answer, text;
  try {
    answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(20_000), ...options });
    text = await answer.text();
  } catch {
    reachable.set(false);
    throw new Failure("the server does not answer", "AWAY");
  }
  reachable.set(true);
  let told = null;
  try {
    told = JSON.parse(text);
  } catch {
    throw new Failure(`HTTP ${answer.status}: ${text.slice(0, 200)}`, "", answer.status);
  }
  if (!answer.ok) throw new Failure(told?.error ?? `HTTP ${answer.status}`, told?.code ?? "", answer.status);
  return told;
}

// ---- figures that are asked for again and again

const BACK_OFF_MAX_MS = 8_000;

// {data, error, loading, stale, again}: `data` is the last one had, also when the server is away (`stale`). `everyMs` 0 asks once;
// `path` null asks nothing. Nothing is asked while the tab is hidden.
export function usePolled(path, params = {}, everyMs = 1_000) {
  const key = path === null ? null : `${path} ${JSON.stringify(params)}`;
  const [state, setState] = useState({ key, data: null, error: null, loading: key !== null, stale: false });
  const poke = useRef(() => {});

  useEffect(() => {
    if (key === null) {
      setState({ key, data: null, error: null, loading: false, stale: false });
      return undefined;
    }
    let over = false;
    let timer = 0;
    let failures = 0;
    let running = false;
    setState((was) => (was.key === key ? was : { key, data: null, error: null, loading: true, stale: false }));

    const later = (ms) => {
      clearTimeout(timer);
      if (!over && ms > 0) timer = setTimeout(ask, ms);
    };
    const ask = async () => {
      if (over || running || document.hidden) return;
      running = true;
      try {
        const data = await admin(path, params);
        failures = 0;
        if (!over) setState({ key, data, error: null, loading: false, stale: false });
      } catch (error) {
        failures += 1;
        const away = error.status === 0;
        if (!over) setState((was) => ({ ...was, key, error, loading: false, stale: away || error.status >= 500 }));
      } finally {
        running = false;
      }
      const wait = failures ? Math.min(BACK_OFF_MAX_MS, Math.max(everyMs, 500) * 2 ** Math.min(failures - 1, 4)) : everyMs;
      later(failures && everyMs === 0 ? Math.max(wait, 1_000) : wait);
    };
    const seen = () => document.hidden || ask();
    const back = (answers) => answers && failures && ask();

    poke.current = () => ask();
    document.addEventListener("visibilitychange", seen);
    const unfollow = reachable.follow(back);
    ask();
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
      unfollow();
    };
  }, [key, everyMs]);

  const again = useCallback(() => poke.current(), []);
  const { key: of, ...told } = state;
  return of === key ? { ...told, again } : { data: null, error: null, loading: true, stale: false, again };
}

// ---- the model of the app: what kinds, commands, rows, sagas and groups there are

const known = store(null);
export const modelFailure = store(null);
let asking = null;

export function loadModel() {
  asking ??= admin("model")
    .then((model) => (known.set(model), modelFailure.set(null)))
    .catch((failure) => modelFailure.set(failure))
    .finally(() => (asking = null));
  return asking;
}

// null until it is there; asked again when the server comes back, since it may be another version of the app
reachable.follow((answers) => answers && loadModel());

export const modelNow = () => known.get();

export function useModel() {
  const model = useStore(known);
  useEffect(() => {
    if (known.get() === null) loadModel();
  }, []);
  return model;
}

// ---- routes: #/view/arg/arg?name=value, each part percent-encoded

export function go(hash) {
  location.hash = hash.startsWith("#") ? hash : `#${hash.startsWith("/") ? "" : "/"}${hash}`;
}

// to("streams", "order-1", {at: 3}) is "#/streams/order-1?at=3"
export function to(view, ...rest) {
  const query = typeof rest.at(-1) === "object" ? rest.pop() : {};
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const asked = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${[view, ...rest].map((part) => encodeURIComponent(part).replace(/%40/g, "@")).join("/")}${asked}`;
}

export function parsed(hash) {
  const [path, query = ""] = hash.replace(/^#?\/?/, "").split("?");
  const [view, ...args] = path.split("/").map(decoded);
  return { view: view || "flow", args: args.filter((arg) => arg !== ""), query: Object.fromEntries(new URLSearchParams(query)) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function useRoute() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const moved = () => setHash(location.hash);
    window.addEventListener("hashchange", moved);
    return () => window.removeEventListener("hashchange", moved);
  }, []);
  return useMemo(() => parsed(hash), [hash]);
}

// ---- styles of a view, linked once

export function css(name) {
  const href = new URL(`../css/${name}.css`, import.meta.url).href;
  if ([...document.styleSheets].some((sheet) => sheet.href === href) || document.querySelector(`link[href="${href}"]`)) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  document.head.append(link);
}

// ---- how figures are written

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

// 12,345 · 0.4; with `compact`, 1.2M
export function number(n, compact = false) {
  if (n === null || n === undefined || Number.isNaN(n)) return "–";
  if (compact && Math.abs(n) >= 10_000) return short.format(n);
  return Math.abs(n) < 10 && !Number.isInteger(n) ? tenths.format(n) : whole.format(n);
}

// 0.42 ms · 12 ms · 1.3 s
export function ms(n) {
  if (n === null || n === undefined || Number.isNaN(n)) return "–";
  if (n >= 60_000) return `${tenths.format(n / 60_000)} min`;
  if (n >= 1_000) return `${tenths.format(n / 1_000)} s`;
  return `${n < 1 ? n.toFixed(2) : n < 10 ? n.toFixed(1) : whole.format(n)} ms`;
}

// "just now" · "12 s ago" · "3 min ago" · a date
export function ago(iso, now = Date.now()) {
  if (!iso) return "–";
  const s = (now - Date.parse(iso)) / 1_000;
  if (s < 2) return "just now";
  if (s < 90) return `${Math.round(s)} s ago`;
  if (s < 5_400) return `${Math.round(s / 60)} min ago`;
  if (s < 129_600) return `${Math.round(s / 3_600)} h ago`;
  return time(iso);
}

// 2013-01-01 14:05:09, in the person's own zone
export function time(iso) {
  const at = new Date(iso);
  if (!iso || Number.isNaN(at.getTime())) return "–";
  const two = (n) => String(n).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

// any value as indented JSON
export const json = (value) => JSON.stringify(value, null, 2);

// ---- commands that this page sent: when, when answered, when the row that they made was seen here (ms since the epoch)

const SENT_MAX = 200;
const sent = new Map();
export const sentChanges = store(0);

export const clockMs = () => performance.timeOrigin + performance.now();

export function noteSent(name, times) {
  sent.set(name, { ...sent.get(name), ...times });
  if (sent.size > SENT_MAX) sent.delete(sent.keys().next().value);
  sentChanges.set(sentChanges.get() + 1);
}

// the first sight counts; a token that this page never sent is not noted
export function noteSeen(name, seen = clockMs()) {
  if (sent.has(name) && sent.get(name).seen === undefined) noteSent(name, { seen });
}

// {command, trace?, sent, answered, seen?} or undefined; live.js notes every mutation that answers with a token
export const sentOf = (name) => sent.get(name);
