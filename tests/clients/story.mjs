// What a client does in a day: it asks, changes, watches, is refused, loses its connection and goes on; one JSON report at the end.
//
// CLIENT (graphql-ws, apollo, urql), URL of /graphql, TOKEN, ID (makes the orders of this run its own), HTTP=0 (no HTTP at this URL)
import { cutting } from "./cutting.mjs";
import { LIVE, PLACE, TICKET, TICKETS, View, order } from "./shop.mjs";

const { CLIENT, URL: url, TOKEN: token, ID: id, HTTP } = process.env;
const { connect } = await import(`./client-${CLIENT}.mjs`);
const proxy = await cutting(url);
const report = { client: CLIENT };
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(what, holds, seconds = 20) {
  for (const late = Date.now() + seconds * 1000; !holds(); await sleep(5)) if (Date.now() > late) throw new Error(`not within ${seconds} s: ${what}`);
}

function plain(problem) {
  if (problem === null || problem === undefined) return null;
  if (Array.isArray(problem)) return { errors: problem.map(({ message, extensions }) => ({ message, code: extensions?.code })) };
  return { code: problem.code, reason: problem.reason, message: problem.message ?? String(problem) };
}

const code = (result) => result.errors?.[0]?.extensions?.code ?? null;
const http = HTTP !== "0";
const client = connect({ url: proxy.url, token, http });
const beside = connect({ url, token, http }); // never cut

// a query, a live view, a mutation that it shows, and a read that is not older than it
report.empty = (await client.run(TICKETS, {})).data.ticketRows.nodes.length;
const view = new View();
let failure;
const stop = client.watch(
  LIVE,
  {},
  ({ data }) => view.take(data.ticketRows),
  (problem) => (failure = plain(problem)),
);
await until("a snapshot", () => view.snapshots > 0 || failure !== undefined);
const started = performance.now();
const sent = (await client.run(PLACE, order(`${id}-1`))).data.placeOrder;
report.token = sent.token;
await until("the order in the live view", () => view.rows.has(`${id}-1`) || failure !== undefined);
report.seen_ms = performance.now() - started;
report.own = (await client.run(TICKET, { order: `${id}-1`, after: sent.token })).data.ticket;

// refusals leave the live view alone
report.rejected = code(await client.run(PLACE, order(`${id}-1`)));
report.badCursor = code(await client.run(TICKETS, { after: "not a cursor" }));
report.badField = code(await client.run("{ ticketRows(first: 1) { nothing } }", {}));
const wrong = order(`${id}-x`);
wrong.input.quantity = -1;
report.badInput = code(await client.run(PLACE, wrong));

// a lost connection, and a change while it is away
report.connectionsBefore = proxy.connections;
const snapshots = view.snapshots;
proxy.refusing = true;
proxy.cut();
await beside.run(PLACE, order(`${id}-2`));
await sleep(2500); // long enough for an attempt that fails, too
proxy.refusing = false;
await until("what changed meanwhile", () => view.rows.has(`${id}-2`) || failure !== undefined, 40);
report.snapshotsAfterTheCut = view.snapshots - snapshots;
await client.run(PLACE, order(`${id}-3`));
await until("what changed after it", () => view.rows.has(`${id}-3`) || failure !== undefined);
report.failure = failure ?? null;
report.view = { rows: view.rows.size, doubled: view.doubled, backwards: view.backwards };
stop();
client.close();
beside.close();

// tokens that are not ours, and none: told, and not tried again and again
async function refused(bad) {
  const door = await cutting(url);
  const stranger = connect({ url: door.url, token: bad, http });
  let told = null;
  const leave = stranger.watch(
    LIVE,
    {},
    () => (told ??= { leaked: true }),
    (problem) => (told ??= plain(problem)),
  );
  await sleep(6000);
  leave();
  stranger.close();
  door.close();
  return { told, connections: door.connections };
}

const [garbled, none] = await Promise.all([refused("bad.bad.bad"), refused("")]);
report.refusals = { garbled, none };
proxy.close();
console.log(JSON.stringify(report));
process.exit(0);
