// The GraphQL that is asked for a part's rows, made from what the model says of it; everything a visitor types goes into variables.

const named = (part) => ({ filter: part.filter ?? `${part.type}Filter`, order: part.order ?? `${part.type}Order` });

// the fields that are read of a row, with what a struct has inside
export const selection = (part) => part.fields.map((field) => `${field.graphql}${field.select ? ` ${field.select}` : ""}`).join(" ");

// a page of rows: variables where, orderBy, first, after
export function pageOf(part) {
  const { filter, order } = named(part);
  return `query StudioPage($where: ${filter}, $orderBy: [${order}!], $first: Int, $after: String) {
  ${part.many}(where: $where, orderBy: $orderBy, first: $first, after: $after) {
    nodes { ${selection(part)} }
    pageInfo { hasNextPage endCursor }
  }
}`;
}

// rows live: variables where, after
export function liveOf(part) {
  return `subscription StudioRows($where: ${named(part).filter}, $after: String) {
  ${part.many}(where: $where, after: $after) {
    snapshot reset complete cursor
    changed { key revision { generation n } row { ${selection(part)} } }
    removed { key revision { generation n } }
  }
}`;
}

const NUMBERS = ["Int", "BigInt", "Float"];
const TEXT = ["eq", "ne", "in", "lt", "le", "gt", "ge", "startsWith", "contains", "isNull"];
const SORTED = ["eq", "ne", "in", "lt", "le", "gt", "ge", "isNull"];
const PLAIN = ["eq", "ne", "in", "isNull"];
const OPERATORS = { String: TEXT, ID: TEXT, Boolean: PLAIN, Enum: PLAIN, JSON: ["isNull"] };

// what may be asked of a field; the model knows it, and otherwise its type tells
export function operatorsOf(field) {
  if (field.operators) return field.operators;
  if (field.list || field.select) return ["isNull"];
  return OPERATORS[field.type] ?? (["Decimal", "DateTime", "Date", ...NUMBERS].includes(field.type) ? SORTED : PLAIN);
}

// typed text as the value of a filter; throws a sentence for people
export function valueOf(field, op, text) {
  const said = text.trim();
  if (op === "isNull") return said !== "no";
  if (op === "in") return said.split(",").map((each) => single(field, each.trim()));
  return single(field, said);
}

function single(field, text) {
  if (text === "" && field.type !== "String") throw new Error("a value is missing");
  if (["Int", "BigInt"].includes(field.type)) {
    if (!/^[+-]?\d+$/.test(text)) throw new Error(`${text} is not a whole number`);
    return field.type === "BigInt" ? text.replace("+", "") : Number(text);
  }
  if (field.type === "Float") {
    if (!Number.isFinite(Number(text))) throw new Error(`${text} is not a number`);
    return Number(text);
  }
  if (field.type === "Boolean") return text === "true";
  if (field.type === "DateTime") return instant(text);
  if (field.type === "Date" && !/^\d{4}-\d\d-\d\d$/.test(text)) throw new Error(`${text} is not a day: write it like 2026-01-31`);
  return text;
}

// an instant without an offset is meant in UTC, as it is shown
function instant(text) {
  const whole = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : /(Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`;
  const at = new Date(whole.replace(" ", "T"));
  if (Number.isNaN(at.getTime())) throw new Error(`${text} is not a time: write it like 2026-01-31 12:00`);
  return at.toISOString();
}

// conditions [{name, op, text}] as `where`; several of one field stand beside each other
export function whereOf(part, conditions) {
  const terms = conditions.map(({ name, op, text }) => {
    const field = part.fields.find((each) => each.graphql === name);
    return { [name]: { [op]: valueOf(field, op, text) } };
  });
  return terms.length === 0 ? {} : terms.length === 1 ? terms[0] : { and: terms };
}

// the filter that finds exactly these rows by their keys
export function keysOf(part, rows) {
  if (part.key.length === 1) return { [part.key[0]]: { in: rows.map((row) => row[part.key[0]]) } };
  return { or: rows.map((row) => Object.fromEntries(part.key.map((name) => [name, { eq: row[name] }]))) };
}

// what tells a row of this part from every other
export const identOf = (part, row) => JSON.stringify(part.key.map((name) => row[name]));

// both filters must hold
export const both = (a, b) => (Object.keys(a).length === 0 ? b : Object.keys(b).length === 0 ? a : { and: [a, b] });

export const orderOf = (order) => order.map(({ name, down }) => ({ [name]: down ? "DESC" : "ASC" }));
