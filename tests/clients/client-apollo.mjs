// Apollo Client: queries and mutations by HTTP, subscriptions by its GraphQLWsLink.
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { getMainDefinition } from "@apollo/client/utilities";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { resuming } from "./resuming.mjs";

globalThis.WebSocket ??= WebSocket; // Apollo looks at its constants when an operation fails

export function connect({ url, token, http = true }) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const socket = createClient({
    url: url.replace(/^http/, "ws"),
    webSocketImpl: WebSocket,
    connectionParams: headers,
    shouldRetry: (problem) => !(problem instanceof Error), // a network that fails, but no frame that tells a refusal
  });
  const sockets = new GraphQLWsLink(resuming(socket));
  const subscribes = ({ query }) => getMainDefinition(query).operation === "subscription";
  const client = new ApolloClient({
    link: http ? ApolloLink.split(subscribes, sockets, new HttpLink({ uri: url, headers })) : sockets,
    cache: new InMemoryCache(),
    defaultOptions: { query: { fetchPolicy: "no-cache" }, mutate: { fetchPolicy: "no-cache" } },
  });
  const answered = (promise) =>
    promise.catch((problem) => {
      if (CombinedGraphQLErrors.is(problem)) return { data: problem.data, errors: problem.errors };
      throw problem;
    });
  return {
    run(text, variables) {
      const document = gql(text);
      return answered(
        getMainDefinition(document).operation === "mutation"
          ? client.mutate({ mutation: document, variables })
          : client.query({ query: document, variables }),
      );
    },
    watch(text, variables, next, failed) {
      const watching = client.subscribe({ query: gql(text), variables, fetchPolicy: "no-cache" }).subscribe({
        next: ({ data, error }) => (error ? failed(CombinedGraphQLErrors.is(error) ? error.errors : error) : next({ data })),
        error: (problem) => failed(CombinedGraphQLErrors.is(problem) ? problem.errors : problem),
        complete: () => failed(null),
      });
      return () => watching.unsubscribe();
    },
    close() {
      client.stop();
      socket.dispose().catch(() => {}); // it may never have been connected
    },
  };
}
