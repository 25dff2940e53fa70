// The peer Emmett 0.42 on PostgreSQL: one JSON order per line on stdin, its answer with the seconds it took on stdout.
// Used as its documentation shows: appendToStream with the expected version, aggregateStream to load.
import { createInterface } from 'node:readline';
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql';

const store = getPostgreSQLEventStore(process.argv[2]);
const text = process.argv[3];
await store.schema.migrate();

const initialState = () => ({ account: '', entries: 0, total: 0, last: '' });
const evolve = (state, { data }) => ({
  account: data.account,
  entries: state.entries + 1,
  total: state.total + data.amount,
  last: data.text,
});
const entered = (account, amount) => ({
  type: 'Entered',
  data: { account, amount, text, day: '2026-11-23', booked_by: 'clerk-17', currency: 'EUR' },
});

const versions = new Map();
const append = async (stream, events) => {
  const known = versions.get(stream);
  const expectedStreamVersion = known === undefined ? 'STREAM_DOES_NOT_EXIST' : known;
  const result = await store.appendToStream(stream, events, { expectedStreamVersion });
  versions.set(stream, result.nextExpectedStreamVersion);
};
const one = async (stream, times) => {
  for (let n = 0; n < times; n++) await append(stream, [entered(stream, n)]);
};

const orders = {
  prepare: async ({ stream, events }) => {
    for (let n = 0; n < events; n += 90)
      await append(stream, Array.from({ length: Math.min(90, events - n) }, (_, i) => entered(stream, n + i)));
  },
  append: ({ stream, times }) => one(stream, times),
  writers: ({ streams, times }) => Promise.all(streams.map((stream) => one(stream, times))),
  load: async ({ stream, events }) => {
    const { state } = await store.aggregateStream(stream, { evolve, initialState });
    if (state.entries !== events) throw new Error(`${stream} has ${state.entries} entries, not ${events}`);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  const start = process.hrtime.bigint();
  await orders[order.do](order);
  console.log(JSON.stringify({ seconds: Number(process.hrtime.bigint() - start) / 1e9 }));
}
await store.close();
