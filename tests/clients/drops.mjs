// A live view over npm graphql-ws whose connection is reset again and again while orders pour in.
//
// URL of /graphql, TOKEN of CUSTOMER, ID, DROPS (how many), WRITERS (how many place orders)
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { cutting } from "./cutting.mjs";
import { resuming } from "./resuming.mjs";
import { LIVE, PLACE, TICKETS, View, order } from "./shop.mjs";

const { URL: url, TOKEN: token, ID: id, CUSTOMER: customer } = process.env;
const drops = Number(process.env.DROPS);
const writers = Number(process.env.WRITERS ?? "4");
const each = 10; // milliseconds between two orders of a writer
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const authorization = { authorization: `Bearer ${token}` };
const proxy = await cutting(url);
const view = new View();
const report = { placed: 0, failure: null, acknowledged: 0 };

const client = createClient({
  url: proxy.url.replace(/^http/, "ws"),
  webSocketImpl: WebSocket,
  connectionParams: authorization,
  retryAttempts: Number.MAX_SAFE_INTEGER,
  shouldRetry: (problem) => !(problem instanceof Error), // also when the cut came during a handshake
  retryWait: () => sleep(5 + Math.random() * 40),
});
client.on("connected", () => (report.acknowledged += 1));
resuming(client).subscribe(
  { query: LIVE, variables: {} },
  {
    next: ({ data, errors }) => (errors ? (report.failure ??= errors) : view.take(data.ticketRows)),
    error: (problem) => (report.failure ??= Array.isArray(problem) ? problem : { code: problem.code, reason: problem.reason, message: problem.message }),
    complete: () => (report.failure ??= "completed"),
  },
);

async function post(query, variables) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json", ...authorization },
    body: JSON.stringify({ query, variables }),
  });
  const result = await answer.json();
  if (result.errors) throw new Error(JSON.stringify(result.errors));
  return result.data;
}

let placing = true;
async function place(_, writer) {
  for (let number = 0; placing; number += 1) {
    await post(PLACE, order(`${id}-${writer}-${number}`, customer));
    report.placed += 1;
    await sleep(each);
  }
}

const late = Date.now() + 30_000;
while (view.snapshots === 0 && Date.now() < late) await sleep(10);
const load = Promise.all(Array.from({ length: writers }, place));
for (let drop = 0; drop < drops && report.failure === null; drop += 1) {
  for (const end = Date.now() + 20_000; report.acknowledged <= drop && Date.now() < end; ) await sleep(1);
  await sleep(Math.random() * 150); // sometimes before the first update after a resume, sometimes after several
  proxy.cut();
}
placing = false;
await load;

// everything that was placed gets its outcome; then the view must be what a query says
let truth = new Map();
let quiet = 0;
for (const end = Date.now() + 60_000; Date.now() < end && quiet < 5; await sleep(200)) {
  truth = new Map();
  for (let after; ; ) {
    const { ticketRows } = await post(TICKETS, { after });
    for (const node of ticketRows.nodes) truth.set(node.order, node);
    if (!ticketRows.pageInfo.hasNextPage) break;
    after = ticketRows.pageInfo.endCursor;
  }
  const settled = [...truth.values()].every(({ stage }) => stage !== "placed");
  const equal = [...truth].every(([key, node]) => JSON.stringify(view.rows.get(key)) === JSON.stringify(node));
  quiet = settled && equal && truth.size >= report.placed ? quiet + 1 : 0;
}
report.drops = drops;
report.connections = proxy.connections;
report.rows = truth.size;
report.missing = [...truth].filter(([key, node]) => JSON.stringify(view.rows.get(key)) !== JSON.stringify(node)).length;
report.extra = [...view.rows.keys()].filter((key) => !truth.has(key)).length;
Object.assign(report, { doubled: view.doubled, backwards: view.backwards, snapshots: view.snapshots, updates: view.updates });
console.log(JSON.stringify(report));
process.exit(0);
