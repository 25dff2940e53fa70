// Values that a command's form begins with, taken from what really happened: an event of the same kind that has the same fields.

// Samples by GraphQL name. `event` is the first event of a stream of the command's kind, or null; `id` the stream's id.
// What need not be said is left to its default. A command whose fields are all in a stream's first event begins a stream, so it gets an id of its own; any other goes to that stream.
export function samplesOf(fields, event, id, { now = new Date(), dice = Math.random } = {}) {
  const samples = Object.fromEntries(fields.map((field) => [field.graphql, field.required ? made(field, now) : (field.default ?? undefined)]));
  if (event === null) return samples;
  const has = (field) => Object.hasOwn(event.data, field.name);
  const begins = fields.filter((field) => field.required).every(has);
  for (const field of fields) {
    if (field.id) samples[field.graphql] = id;
    else if (has(field) && field.required && !isMine(field)) samples[field.graphql] = event.data[field.name];
    else if (field.type === "DateTime" && field.required) samples[field.graphql] = then(event.data) ?? samples[field.graphql];
  }
  return begins ? renamed(fields, samples, dice) : samples;
}

// A sample that is a person was made for the visitor: with another's name they would not see what they wrote.
const isMine = (field) => typeof field.sample === "string" && field.type === "String" && !/-1$/.test(field.sample);

// times are now, everything else is what the schema's examples say
function made(field, now) {
  if (field.list) return field.sample ?? [];
  if (field.type === "DateTime") return now.toISOString().slice(0, 16) + ":00Z";
  if (field.type === "Date") return now.toISOString().slice(0, 10);
  return field.sample ?? undefined;
}

// the newest instant that an event names: what happens next to a flight of 2013 happens in 2013
function then(data) {
  const instants = Object.values(data).filter((value) => typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d.*(Z|[+-]\d\d:?\d\d)$/.test(value));
  return instants.sort((one, other) => Date.parse(one) - Date.parse(other)).at(-1);
}

// Another id of the same look: its last whole number moved on, in fields that repeat it as well (flight UA-1545, number 1545).
function renamed(fields, samples, dice) {
  const idField = fields.find((field) => field.id);
  if (idField === undefined) return samples;
  const old = String(samples[idField.graphql] ?? "");
  const [, before, digits, after] = /^(.*?)(\d+)(\D*)$/s.exec(old) ?? [];
  if (digits === undefined || digits.length > 9) return { ...samples, [idField.graphql]: `${old || idField.name}-${1 + Math.floor(dice() * 9999)}` };
  const next = Number(digits) + 1 + Math.floor(dice() * 97);
  const moved = { ...samples, [idField.graphql]: before + String(next).padStart(digits.length, "0") + after };
  for (const field of fields) if (samples[field.graphql] === Number(digits)) moved[field.graphql] = next;
  return moved;
}
