// graphql-ws sends an operation again, as it is, after a lost connection: with the last cursor in it the gateway goes on from there.
export function resuming(client) {
  return {
    ...client,
    subscribe(payload, sink) {
      const again = { ...payload, variables: { ...payload.variables } };
      return client.subscribe(again, {
        next(result) {
          const update = Object.values(result.data ?? {})[0];
          if (typeof update?.cursor === "string") again.variables.after = update.cursor;
          sink.next(result);
        },
        error: (problem) => sink.error(problem),
        complete: () => sink.complete(),
      });
    },
  };
}
