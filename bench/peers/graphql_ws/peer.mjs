// The peer graphql-ws 6.4 on ws 8.23, the protocol's reference server: one JSON order per line on stdin, an answer per line on stdout.
// Used as its documentation shows: useServer with a schema whose subscription is an async generator per subscriber.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

const schema = buildSchema(readFileSync(process.argv[2], 'utf8'));
const subscribers = new Set();
let data = JSON.parse(process.argv[3]);

async function* follow() {
  const queue = [data];
  let wake = () => {};
  const hear = (update) => {
    queue.push(update);
    wake();
  };
  subscribers.add(hear);
  try {
    while (true) {
      while (queue.length) yield queue.shift();
      await new Promise((resolve) => (wake = resolve));
    }
  } finally {
    subscribers.delete(hear);
  }
}
schema.getSubscriptionType().getFields().balanceRows.subscribe = follow;

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/graphql', perMessageDeflate: false, backlog: 2048 });
useServer({ schema }, server, 3_600_000);
await new Promise((resolve) => server.once('listening', resolve));
console.log(JSON.stringify({ port: server.address().port }));

for await (const line of createInterface({ input: process.stdin })) {
  for (const hear of subscribers) hear(data);
  console.log('{}');
}
process.exit(0);
