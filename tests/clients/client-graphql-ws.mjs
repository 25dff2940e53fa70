// npm graphql-ws by itself: every operation over the socket.
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { resuming } from "./resuming.mjs";

export function connect({ url, token }) {
  const client = createClient({
    url: url.replace(/^http/, "ws"),
    webSocketImpl: WebSocket,
    connectionParams: token ? { authorization: `Bearer ${token}` } : undefined,
    shouldRetry: (problem) => !(problem instanceof Error), // a network that fails, but no frame that tells a refusal
  });
  return over(resuming(client), () => client.dispose().catch(() => {})); // it may never have been connected
}

export function over(client, close) {
  return {
    run: (query, variables) =>
      new Promise((resolve, reject) => {
        let result = null;
        client.subscribe(
          { query, variables },
          {
            next: (told) => (result = told),
            error: (problem) => (Array.isArray(problem) ? resolve({ errors: problem }) : reject(problem)),
            complete: () => resolve(result),
          },
        );
      }),
    watch(query, variables, next, failed) {
      return client.subscribe({ query, variables }, { next, error: failed, complete: () => failed(null) });
    },
    close,
  };
}
