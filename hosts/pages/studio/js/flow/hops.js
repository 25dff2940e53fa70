// What the picture and its table say of each hop: a title, one line for somebody who never saw event sourcing, and its figures.

import { ms, number } from "../core.js";

const rate = (n) => ({ value: number(n ?? 0, true), unit: "/s" });
const counted = (n, one, many = `${one}s`) => `${number(n, true)} ${n === 1 ? one : many}`;
const p95 = (figures, name) => (figures > 0 ? `p95 ${ms(figures)}` : name);

// [{id, kind, title, what, told, link, main: {value, unit}, figures: [text], foot?: {value, unit}, alarm?: text, lag?}], in the order of the flow;
// what the server cannot tell just now is null, and a dash here
export function hops(flow, model) {
  return [clients(flow), commands(flow), eventStore(flow), relay(flow), bus(flow), ...groups(flow, model), readStore(flow), gateway(flow)];
}

function clients({ gateway: { subscriptions = 0, connections = 0 } }) {
  return {
    id: "clients",
    kind: "client",
    title: "Clients",
    told: "Browsers and services: they send commands, and watch rows that change before their eyes.",
    link: ["#/try", "Send a command"],
    main: { value: number(connections, true), unit: connections === 1 ? "connection" : "connections" },
    figures: [],
    foot: { value: number(subscriptions, true), unit: subscriptions === 1 ? "subscription" : "subscriptions" },
  };
}

function commands({ commands: figures }) {
  return {
    id: "commands",
    kind: "write",
    title: "Commands",
    told: "Decides, from what happened before in one stream, what happens now; or refuses, and says why.",
    link: ["#/try", "Send one"],
    main: rate(figures.per_s),
    figures: [p95(figures.p95_ms, "no command yet"), `${number(figures.total, true)} in all`, `${number(figures.refused, true)} refused`],
  };
}

function eventStore({ store }) {
  return {
    id: "store",
    kind: "write",
    title: "Event store",
    what: store.kind,
    told: "Keeps every event for good, numbered 1, 2, 3 … in its stream. Nothing is overwritten: this is the truth.",
    link: ["#/streams", "Look at the streams"],
    main: rate(store.per_s),
    figures: ["events appended", ...(store.epoch > 1 ? [`epoch ${store.epoch}`] : [])],
  };
}

function relay({ relay: figures }) {
  return {
    id: "relay",
    kind: "write",
    title: "Relay",
    told: "Publishes what was stored. If it fails it begins again, so an event may come twice and is never lost.",
    main: rate(figures.per_s),
    figures: [`${number(figures.backlog, true)} waiting`, `${number(figures.total, true)} published`],
  };
}

function bus({ bus: { kind, partitions }, groups: all }) {
  const lag = Array.from({ length: partitions }, (_, partition) => ({
    partition,
    messages: Math.max(0, ...all.map((group) => (group.lag ?? []).find((one) => one.partition === partition)?.messages ?? 0)),
  }));
  return {
    id: "bus",
    kind: "bus",
    title: "Bus",
    what: kind,
    told: "Spreads the events over partitions, so that many can read at once; the events of one stream stay in their order.",
    main: { value: number(partitions), unit: partitions === 1 ? "partition" : "partitions" },
    figures: [],
    lag,
  };
}

function groups(flow, model) {
  const found = [];
  for (const group of flow.groups) {
    found.push(projector(group));
    if (group.saga) found.push(outbox(group, flow, model));
  }
  return found;
}

function projector(group) {
  return {
    id: `group ${group.name}`,
    kind: group.saga ? "saga" : "read",
    group: group.name,
    title: group.saga ? "Saga" : "Projector",
    what: group.name,
    told: group.saga
      ? "Watches what happens in several streams and decides which command follows: the long way of a business case."
      : "Folds events into rows and sums, each event exactly once, also when it comes twice or late.",
    link: group.saga ? ["#/sagas", "Look at the sagas"] : ["#/rebuilds", "Rebuild it"],
    main: rate(group.per_s),
    figures: [group.lag_total === 0 ? "nothing waits" : `${number(group.lag_total, true)} waiting`, counted(group.replicas, "replica"), p95(group.batch_p95_ms, "no batch yet")],
    alarm: group.letters ? counted(group.letters, "parked stream") : undefined,
    lag: group.lag ?? [],
  };
}

function outbox(group, flow, model) {
  const names = model.sagas.filter((saga) => saga.group === group.name).map((saga) => saga.name);
  const mine = flow.sagas.filter((saga) => names.includes(saga.name));
  const sum = (name) => mine.reduce((total, saga) => total + saga[name], 0);
  return {
    id: `outbox ${group.name}`,
    kind: "saga",
    group: group.name,
    title: "Next commands",
    told: "Keeps the saga’s commands and timers until each took effect, and sends them like anybody else.",
    link: ["#/sagas", "Look at the sagas"],
    main: rate(sum("per_s")),
    figures: [`${number(sum("pending"), true)} to send`, counted(sum("timers"), "timer"), `${number(sum("sent"), true)} sent`],
    alarm: sum("stuck") ? `${number(sum("stuck"))} stuck` : undefined,
  };
}

function readStore({ rows, groups: all }) {
  return {
    id: "rows",
    kind: "read",
    title: "Read database",
    what: rows.kind,
    told: "Holds the rows that people ask for and, beside them, how far into each stream they are.",
    link: ["#/rows", "Look at the rows"],
    main: rate(all.filter((group) => !group.saga).reduce((sum, group) => sum + group.per_s, 0)),
    figures: ["events folded into rows"],
  };
}

function gateway({ gateway: figures }) {
  return {
    id: "gateway",
    kind: "read",
    title: "Gateway",
    what: "GraphQL",
    told: "Answers questions, and pushes each row that changed to those who watch it and may see it.",
    link: ["#/rows", "Watch some rows"],
    main: rate(figures.pushes_per_s),
    figures: ["rows pushed", counted(figures.operations ?? 0, "operation")],
  };
}
