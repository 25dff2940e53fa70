// A live view whose token runs out: graphql-ws asks for the connection's parameters again, gets a fresh token, and goes on from its cursor.
//
// URL of /graphql, SHORT (a token that soon runs out), TOKEN (one that does not), ID
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { cutting } from "./cutting.mjs";
import { resuming } from "./resuming.mjs";
import { LIVE, PLACE, View, order } from "./shop.mjs";

const { URL: url, SHORT, TOKEN, ID: id } = process.env;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const proxy = await cutting(url);
const tokens = [SHORT, TOKEN];
const report = { acknowledged: 0, closed: [], failure: null };
const client = createClient({
  url: proxy.url.replace(/^http/, "ws"),
  webSocketImpl: WebSocket,
  connectionParams: () => ({ authorization: `Bearer ${tokens.length > 1 ? tokens.shift() : tokens[0]}` }),
});
client.on("connected", () => (report.acknowledged += 1));
client.on("closed", ({ code, reason }) => report.closed.push([code, reason]));

const view = new View();
resuming(client).subscribe(
  { query: LIVE, variables: {} },
  {
    next: ({ data }) => view.take(data.ticketRows),
    error: (problem) => (report.failure ??= String(problem.reason ?? problem.message ?? JSON.stringify(problem))),
    complete: () => {},
  },
);
const answers = [];
for (let number = 0, end = Date.now() + 30_000; Date.now() < end; number += 1) {
  const body = JSON.stringify({ query: PLACE, variables: order(`${id}-${number}`) });
  const headers = { "content-type": "application/json", authorization: `Bearer ${TOKEN}` };
  answers.push(await (await fetch(url, { method: "POST", headers, body })).json());
  const again = report.acknowledged > 1;
  await sleep(200);
  if (again && view.rows.has(`${id}-${number}`)) break;
}
await sleep(500);
report.placed = answers.filter(({ data }) => data).length;
Object.assign(report, { rows: view.rows.size, snapshots: view.snapshots, doubled: view.doubled, backwards: view.backwards });
report.connections = proxy.connections;
console.log(JSON.stringify(report));
process.exit(0);
