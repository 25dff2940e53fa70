// GraphiQL on this host's /graphql: queries and mutations by HTTP, subscriptions by graphql-transport-ws on the same address.
"use strict";

const settings = JSON.parse(document.getElementById("settings").textContent);
window.__webpack_nonce__ = settings.nonce; // GraphiQL's dialogs add a style of their own, which the page's policy lets pass by this
const address = new URL(settings.endpoint, location.href);
const REFUSED = [4400, 4401, 4403, 4406, 4409, 4429]; // trying again would be refused again

// one socket for all live tabs, a new one when the headers say another token
let socket = null;
let socketHeaders = "";

function live(headers) {
  const wanted = JSON.stringify(headers);
  if (socket === null || wanted !== socketHeaders) {
    if (socket !== null) socket.dispose().catch(() => {}); // it may never have been connected
    socketHeaders = wanted;
    socket = graphqlWs.createClient({
      url: address.href.replace(/^http/, "ws"),
      connectionParams: headers,
      retryAttempts: 30,
      shouldRetry: (problem) => !(problem instanceof Error) && !REFUSED.includes(problem.code),
    });
  }
  return socket;
}

// a subscription as GraphiQL takes it; after a lost connection it goes on from its last cursor, where the operation takes `$after`
function subscribe(params, headers, operation) {
  const resumes = operation.variableDefinitions.some((definition) => definition.variable.name.value === "after");
  const payload = { ...params, variables: { ...params.variables } };
  return {
    subscribe(sink) {
      const unsubscribe = live(headers).subscribe(payload, {
        next(result) {
          const update = Object.values(result.data || {})[0];
          if (resumes && update && typeof update.cursor === "string") payload.variables.after = update.cursor;
          sink.next(result);
        },
        error: (problem) => sink.error(told(problem)),
        complete: () => sink.complete(),
      });
      return { unsubscribe };
    },
  };
}

// what the response pane shows of a refusal: GraphQL errors as they are, a closed socket in words
function told(problem) {
  if (Array.isArray(problem)) return { errors: problem };
  if (problem && "code" in problem) return { message: `the gateway closed the connection: ${problem.code} ${problem.reason}` };
  return { message: problem && problem.message ? problem.message : "the connection was lost" };
}

async function fetched(params, headers) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json, application/json", ...headers },
    body: JSON.stringify(params),
  }).catch(() => Promise.reject({ message: `${address} does not answer: does the gateway run?` }));
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    return Promise.reject({ message: `HTTP ${answer.status}: ${text.slice(0, 500)}` });
  }
}

function fetcher(params, options) {
  const headers = (options && options.headers) || {};
  const operations = ((options && options.documentAST) || { definitions: [] }).definitions.filter(
    (definition) => definition.kind === "OperationDefinition",
  );
  const operation =
    operations.find((definition) => definition.name && definition.name.value === params.operationName) || operations[0];
  return operation && operation.operation === "subscription" ? subscribe(params, headers, operation) : fetched(params, headers);
}

// What a visitor typed stays with this app and these examples (several apps take turns on one port): open tabs with this window, so that
// a second window can do something else, the rest with the browser.
const prefix = `trimaran:${settings.storage}:`;
const place = (name) => (/:(tabState|query|variables|headers|operationName)$/.test(name) ? sessionStorage : localStorage);
const kept = () => [sessionStorage, localStorage].flatMap((store) => Object.keys(store).filter((name) => name.startsWith(prefix)));
const storage = {
  getItem: (name) => place(name).getItem(prefix + name),
  setItem: (name, value) => place(name).setItem(prefix + name, value),
  removeItem: (name) => place(name).removeItem(prefix + name),
  clear() {
    for (const name of kept()) place(name).removeItem(name);
  },
  get length() {
    return kept().length;
  },
};

const headers = settings.token ? JSON.stringify({ Authorization: `Bearer ${settings.token}` }, null, 2) : undefined;
const tabs = settings.examples.map(({ query, variables }) => ({
  query,
  variables: variables ? JSON.stringify(variables, null, 2) : undefined,
  headers,
}));

// GraphiQL shows the first tab's query, and its variables only if it finds them in the storage
if (tabs.length && storage.getItem("graphiql:tabState") === null) storage.setItem("graphiql:variables", tabs[0].variables || "");

const { createElement } = React;
ReactDOM.createRoot(document.getElementById("graphiql")).render(
  createElement(
    GraphiQL,
    {
      fetcher,
      storage,
      defaultTabs: tabs.length ? tabs : undefined,
      defaultHeaders: headers,
      defaultEditorToolsVisibility: true,
      shouldPersistHeaders: false,
      showPersistHeadersSettings: false,
    },
    createElement(
      GraphiQL.Logo,
      null,
      createElement("span", { className: "app" }, createElement("img", { src: settings.icon, alt: "" }), settings.title),
    ),
  ),
);
