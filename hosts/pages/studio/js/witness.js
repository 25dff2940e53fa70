// The row that a command changes, watched while the command is sent: that this browser saw it is the last hop of the command's way.

import { clockMs, modelNow, noteSeen } from "./core.js";
import { follow } from "./live.js";

const READY_MS = 500; // a command does not wait longer for its witness
const PATIENCE_MS = 30_000;
const SCALARS = ["String", "ID", "Int", "BigInt", "Date", "DateTime", "Decimal", "Float", "Boolean"];

// sends, and notes for the trace when the row of the command's own stream was seen to change; where no such row is shown, it only sends
export async function witnessed(command, input, send) {
  const question = rowOf(command, input);
  if (question === null) return send();
  let sends = false;
  let seen = null;
  let name = null;
  const settle = () => {
    if (seen === null || name === null) return;
    noteSeen(name, seen);
    stop();
  };
  let stop = () => {};
  await new Promise((ready) => {
    stop = follow(question.document, question.variables, {
      next(state) {
        ready();
        if (!sends || state.snapshot || seen !== null) return;
        seen = clockMs();
        settle();
      },
      error: ready,
    });
    setTimeout(ready, READY_MS);
  });
  sends = true;
  try {
    const data = await send();
    name = Object.values(data)[0]?.token ?? null;
    setTimeout(stop, PATIENCE_MS);
    settle();
    return data;
  } catch (failure) {
    stop();
    throw failure;
  }
}

// the live question for the one row that has the command's stream as its key
function rowOf(command, input) {
  const id = command.fields.find((field) => field.id)?.graphql;
  const part = modelNow()?.rows.find((one) => one.one && !one.aggregation && one.key.length === 1 && one.key[0] === id);
  const type = part?.fields.find((field) => field.graphql === id)?.type;
  if (!SCALARS.includes(type)) return null;
  return {
    document: `subscription Witness($key: ${type}!, $after: String) { ${part.one}(${id}: $key, after: $after) { snapshot cursor row { ${id} } } }`,
    variables: { key: input[id] },
  };
}
