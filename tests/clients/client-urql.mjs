// urql: queries and mutations by HTTP, subscriptions by its subscriptionExchange over graphql-ws.
import { Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { resuming } from "./resuming.mjs";

export function connect({ url, token }) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const socket = createClient({
    url: url.replace(/^http/, "ws"),
    webSocketImpl: WebSocket,
    connectionParams: headers,
    shouldRetry: (problem) => !(problem instanceof Error), // a network that fails, but no frame that tells a refusal
  });
  const live = resuming(socket);
  const client = new Client({
    url,
    preferGetMethod: false,
    fetchOptions: { headers },
    exchanges: [
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => ({ unsubscribe: live.subscribe({ query: request.query ?? "", variables: request.variables }, sink) }),
        }),
      }),
      fetchExchange,
    ],
  });
  const told = (error) => (error.graphQLErrors.length ? error.graphQLErrors : (error.networkError ?? error));
  return {
    async run(text, variables) {
      const kind = text.trimStart().startsWith("mutation") ? "mutation" : "query";
      const { data, error } = await client[kind](text, variables, { requestPolicy: "network-only" }).toPromise();
      if (error && !error.graphQLErrors.length) throw told(error);
      return { data, errors: error?.graphQLErrors.map(({ message, extensions }) => ({ message, extensions })) };
    },
    watch(text, variables, next, failed) {
      const watching = client.subscription(text, variables).subscribe(({ data, error }) => {
        if (error) failed(told(error));
        else next({ data });
      });
      return () => watching.unsubscribe();
    },
    close: () => socket.dispose().catch(() => {}), // it may never have been connected
  };
}
