// A command's form: which input fits a field, what it starts with, the GraphQL variables it means, and where an error belongs.

const WHOLE = ["Int", "BigInt"];

// Which input a field gets.
export function inputOf(field) {
  if (field.list) return field.type === "String" ? "lines" : "json";
  if (field.choices) return "select";
  if (field.type === "Boolean") return "checkbox";
  if ([...WHOLE, "Float", "Decimal"].includes(field.type)) return "number";
  if (field.type === "DateTime") return "datetime-local";
  if (field.type === "Date") return "date";
  if (["String", "ID", "Time"].includes(field.type)) return "text";
  return "json"; // JSON, and structs inside
}

// The step of a number field.
export const stepOf = (field) => (WHOLE.includes(field.type) ? "1" : "any");

// A JSON value as its input holds it: text, or true and false of a checkbox. An instant is shown in UTC.
export function shown(field, value) {
  switch (inputOf(field)) {
    case "checkbox":
      return value === true;
    case "json":
      return value === null || value === undefined ? "" : JSON.stringify(value, null, 2);
    case "lines":
      return (value ?? []).join("\n");
    case "datetime-local":
      return instant(value);
    default:
      return value === null || value === undefined ? "" : String(value);
  }
}

function instant(value) {
  const at = new Date(value ?? NaN);
  return Number.isNaN(at.getTime()) ? "" : at.toISOString().slice(0, 19);
}

// The texts that a form starts with: the samples; else the defaults. Of choices it is always one that is there.
export function start(fields, samples = {}) {
  return Object.fromEntries(fields.map((field) => [field.graphql, shown(field, first(field, samples[field.graphql] ?? field.default))]));
}

function first(field, value) {
  if (!field.choices || field.choices.includes(value)) return value;
  return field.required ? field.choices[0] : "";
}

// {input, errors}: what to send, and by field what keeps it from being sent. A field that is left empty and need not be there is left
// out, so that its default is decided by whoever takes the command.
export function variables(fields, values) {
  const input = {};
  const errors = {};
  for (const field of fields) {
    const text = values[field.graphql];
    if (text === "" && !field.required) continue;
    try {
      input[field.graphql] = meant(field, text);
    } catch (error) {
      errors[field.graphql] = error.message;
    }
  }
  return { input, errors };
}

function meant(field, text) {
  switch (inputOf(field)) {
    case "checkbox":
      return text === true;
    case "select":
      return field.choices.find((choice) => String(choice) === text) ?? wrong("choose one");
    case "number":
      return number(field, text.trim());
    case "datetime-local":
      return text ? new Date(`${text}Z`).toISOString().replace(/\.000Z$/, "Z") : wrong("say date and time");
    case "date":
      return text || wrong("say a date");
    case "lines":
      return text.split("\n").filter((line) => line !== "");
    case "json":
      return parsed(text);
    default:
      return text === "" && field.required ? wrong("is needed") : text;
  }
}

// Exact: a decimal stays text, and so does a whole number that JavaScript would round.
function number(field, text) {
  if (text === "" || !Number.isFinite(Number(text))) wrong("say a number");
  if (field.type === "Decimal") return text;
  if (!WHOLE.includes(field.type)) return Number(text);
  if (!/^-?\d+$/.test(text)) wrong("say a whole number");
  return Number.isSafeInteger(Number(text)) ? Number(text) : text;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    return wrong(text.trim() === "" ? "is needed, as JSON" : `is not JSON: ${error.message}`);
  }
}

function wrong(text) {
  throw new Error(text);
}

// Errors of an answer: {fields: {name: text}, above: [{code, message, trace}]}, those that name a field of the form at that field.
export function placed(errors, fields) {
  const found = { fields: {}, above: [] };
  for (const { message, extensions = {} } of errors) {
    const field = fields.find(({ graphql }) => graphql === named(extensions.field));
    if (field) found.fields[field.graphql] = plain(message, extensions.field);
    else found.above.push({ code: extensions.code ?? "", message, trace: extensions.trace ?? "" });
  }
  return found;
}

// `input.quantity`, `input.lines[0].sku` → `quantity`, `lines`.
function named(place = "") {
  const [, name = ""] = /^input\.(\w+)/.exec(place) ?? [];
  return name;
}

const TYPES = { int: "a whole number", str: "text", float: "a number", decimal: "a number", array: "a list", object: "an object" };

// A refusal without the place, which is where it stands, and without what GraphQL and msgspec say around it.
function plain(message, place) {
  const said = message.startsWith(`${place}: `) ? message.slice(place.length + 2) : message;
  const inner = place.replace(/^input\.\w+/, "");
  const short = said
    .replace(/^the command does not fit: /, "")
    .replace(/ - at `\$[^`]*`$/, "")
    .replace(/^Expected `(\w+)`/, (_, type) => `expected ${TYPES[type] ?? type}`)
    .replaceAll("`", "")
    .replace(/^Variable '\$\w+' got invalid value .*?; /s, "")
    .replace(/^Field '\w+' of required type '[^']*' was not provided\.?$/, "is needed");
  return inner ? `${inner.replace(/^\./, "")}: ${short}` : short;
}

// The mutation of a command, with a key that makes it safe to send again.
export function mutation(command) {
  const title = command.mutation[0].toUpperCase() + command.mutation.slice(1);
  const type = command.input ?? `${command.name}Input`;
  return `mutation ${title}($input: ${type}!, $key: String) {
  ${command.mutation}(input: $input, key: $key) {
    token
    replayed
  }
}`;
}
