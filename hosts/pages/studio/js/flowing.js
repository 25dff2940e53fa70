// The figures of the flow: asked once a second for the whole page, with a few minutes of history for its lines.

import { store, useEffect, usePolled, useStore } from "./core.js";

export const KEPT_MS = 180_000;

const flowing = store({ data: null, error: null, loading: true, stale: false });
let history = []; // {at, commands, events, pushes, waiting}; oldest first

export const useFlow = () => useStore(flowing);

// how many events wait somewhere between the store and a row
export const waiting = (flow) => (flow.relay.backlog ?? 0) + flow.groups.reduce((sum, group) => sum + (group.lag_total ?? 0), 0);

// mounted once, by the shell
export function Pulse() {
  const told = usePolled("flow", {}, 1_000);
  useEffect(() => {
    if (told.data && told.data !== flowing.get().data) note(told.data);
    flowing.set(told);
  }, [told.data, told.error, told.loading, told.stale]);
  return null;
}

function note(flow) {
  const at = performance.now();
  const point = { at, commands: flow.commands.per_s, events: flow.store.per_s, pushes: flow.gateway?.pushes_per_s ?? 0, waiting: waiting(flow) };
  history = [...history.filter((one) => at - one.at < KEPT_MS), point];
}

export const pastOf = () => history;
