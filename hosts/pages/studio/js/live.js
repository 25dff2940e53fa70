// The public GraphQL endpoint, as any client uses it: questions and commands by HTTP, live rows by graphql-transport-ws on one socket.
//
//   connecting ──▶ open ──▶ lost ──▶ open …      lost: tried again with back-off, every followed operation goes on from its cursor
//        └──────────┴──▶ refused                 the token is no good: fresh settings are fetched once, then it is for the person

import "./vendor/graphql-ws.js";
import { Failure, authorization, clockMs, credentials, noteSent, reachable, renew, settings, store, useStore } from "./core.js";

const address = new URL(settings.endpoint, location.href); // "" for an app that shows nothing over GraphQL: then nothing is opened
const REFUSED = [4400, 4401, 4403, 4406, 4409, 4429]; // trying again would be refused again
const WAIT_MAX_MS = 5_000;

export class GraphQLFailure extends Failure {
  constructor(errors, status = 200) {
    super(errors.map((error) => error.message).join("; "), errors[0]?.extensions?.code ?? "", status);
    this.errors = errors; // [{message, path, extensions: {code, …}}]
  }
}

// ---- by HTTP

export function query(document, variables = {}) {
  return posted(document, variables, {});
}

// A command. Its token, and when it was sent and answered, are noted for its trace.
export async function mutate(document, variables = {}, { traceparent } = {}) {
  const begun = clockMs();
  const data = await posted(document, variables, traceparent ? { traceparent } : {});
  for (const [command, answer] of Object.entries(data)) {
    if (typeof answer?.token === "string") noteSent(answer.token, { command, trace: traceparent?.split("-")[1], sent: begun, answered: clockMs() });
  }
  return data;
}

// a fresh W3C traceparent: a command that carries one is always traced
export function newTraceparent() {
  const hex = (bytes) => [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `00-${hex(16)}-${hex(8)}-01`;
}

async function posted(document, variables, headers, isSecond = false) {
  let answer, text;
  try {
    answer = await fetch(address, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/graphql-response+json, application/json", ...authorization(), ...headers },
      body: JSON.stringify({ query: document, variables }),
    });
    text = await answer.text();
  } catch {
    reachable.set(false);
    throw new Failure("the server does not answer", "AWAY");
  }
  reachable.set(true);
  let told;
  try {
    told = JSON.parse(text);
  } catch {
    throw new Failure(`HTTP ${answer.status}: ${text.slice(0, 200)}`, "", answer.status);
  }
  if (told.errors?.length) {
    const failure = new GraphQLFailure(told.errors, answer.status);
    if (!isSecond && (failure.code === "UNAUTHENTICATED" || answer.status === 401) && (await renew())) return posted(document, variables, headers, true);
    throw failure;
  }
  if (!answer.ok || !told.data) throw new Failure(told.error ?? `HTTP ${answer.status}`, told.code ?? "", answer.status);
  return told.data;
}

// ---- by WebSocket

const connection = store(settings.endpoint ? "connecting" : "none");
const followed = new Set();
let client = null;
let wake = () => {};

export const connectionState = connection;
export const useConnection = () => useStore(connection);

function waited(tries) {
  const ms = Math.min(WAIT_MAX_MS, 250 * 2 ** Math.min(tries, 6)) * (0.75 + Math.random() / 2);
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    wake = () => (clearTimeout(timer), resolve());
  });
}

reachable.follow((answers) => answers && wake()); // no need to wait longer: something answered again

function open() {
  const mine = globalThis.graphqlWs.createClient({
    url: address.href.replace(/^http/, "ws"),
    connectionParams: authorization,
    lazy: false, // the page wants to know when the server goes away, also when nothing is followed
    keepAlive: 10_000,
    retryAttempts: Infinity,
    retryWait: waited,
    shouldRetry: (problem) => !REFUSED.includes(problem?.code),
    onNonLazyError: (problem) => client === mine && REFUSED.includes(problem?.code) && refused(problem),
    on: {
      connected: () => client === mine && connected(),
      closed: (event) => client === mine && !REFUSED.includes(event?.code) && lost(),
      error: () => client === mine && lost(),
    },
  });
  client = mine;
  for (const one of followed) one.begin();
}

function connected() {
  refusals = 0;
  connection.set("open");
  reachable.set(true);
  for (const one of followed) one.back();
}

function lost() {
  if (connection.get() === "open") connection.set("lost");
  for (const one of followed) one.away();
}

let refusals = 0;

async function refused(problem) {
  lost();
  refusals += 1;
  if (refusals === 1 && (await renew())) return; // another token: the socket is opened anew, see below
  connection.set("refused");
  const failure = new Failure(problem.reason || "the token was refused", problem.code === 4403 ? "FORBIDDEN" : "UNAUTHENTICATED", problem.code);
  for (const one of followed) one.refused(failure);
}

export function reopen() {
  const old = client;
  client = null;
  if (old !== null) Promise.resolve(old.dispose()).catch(() => {}); // it may never have been connected
  connection.set("connecting");
  open();
}

if (settings.endpoint) {
  credentials.follow(reopen);
  open();
}

// Follows a subscription until `stop()`. `next(update)` gets its field's value: a snapshot first, then what changed; `state` gets
// "loading", "live" or "lost". After a lost connection it goes on from the last cursor, if the document takes `$after`.
export function follow(document, variables, { next, error = () => {}, state = () => {} }) {
  const payload = { query: document, variables: { ...variables } };
  const resumes = /\$after\b/.test(document);
  let unsubscribe = () => {};
  let now = "";
  const say = (said) => said !== now && state((now = said));

  const one = {
    begin() {
      unsubscribe();
      let current = true;
      const stop = client.subscribe(payload, {
        next(result) {
          if (!current) return;
          const update = Object.values(result.data ?? {})[0];
          if (result.errors?.length && !update) return fail(new GraphQLFailure(result.errors));
          if (resumes && typeof update?.cursor === "string") payload.variables.after = update.cursor;
          if (update?.complete !== false) say("live");
          next(update);
        },
        error(problem) {
          if (!current || REFUSED.includes(problem?.code)) return; // told to all that is followed at once
          fail(Array.isArray(problem) ? new GraphQLFailure(problem) : new Failure(problem?.reason || problem?.message || "the connection was lost", "AWAY"));
        },
        complete: () => current && fail(new Failure("the server ended this subscription", "ENDED")),
      });
      unsubscribe = () => {
        current = false;
        stop();
      };
    },
    away: () => now === "live" && say("lost"),
    back: () => now === "lost" && say(payload.variables.after ? "live" : "loading"),
    refused: (failure) => error(failure),
  };

  function fail(failure) {
    followed.delete(one);
    error(failure);
  }

  if (client === null) {
    queueMicrotask(() => error(new Failure("this app shows nothing over GraphQL", "NOTHING")));
    return () => {};
  }
  followed.add(one);
  say("loading");
  one.begin();
  return () => {
    followed.delete(one);
    unsubscribe();
  };
}
