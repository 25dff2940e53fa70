// How a value of a row is written in a table, and how wide its column is.

const NUMERIC = ["Int", "BigInt", "Float", "Decimal"];

export const isNumeric = (field) => NUMERIC.includes(field.type) && !field.list;

// an instant in UTC, as short as it is: 2013-01-01 10:15Z
const instant = (text) => text.replace("T", " ").replace(/(:00)?(\.0+)?Z$/, "Z").replace(/(\.\d*?)0+Z$/, "$1Z");

export function cellText(field, value) {
  if (value === null || value === undefined) return "–";
  if (field.type === "Boolean" && !field.list) return value ? "yes" : "no";
  if (typeof value === "object") return JSON.stringify(value);
  return field.type === "DateTime" ? instant(String(value)) : String(value);
}

const WIDEST = 34;

// characters that a column takes: its title, its longest value so far, within reason
export function widthOf(field, rows, least = 0) {
  let longest = Math.max(least, field.graphql.length + 4);
  for (const row of rows) longest = Math.max(longest, cellText(field, row[field.graphql]).length + 2);
  return Math.min(longest, WIDEST);
}

// the stream that a row tells of, if its key is a kind's id: {name, kind} or null
export function streamOf(model, part, row) {
  if (part.key.length !== 1 || model.tenant) return null;
  const [name] = part.key;
  const kind = model.kinds.find((each) => camel(each.id) === name);
  return kind ? `${kind.name}-${row[name]}` : null;
}

const camel = (name) => name.replace(/_+([a-z0-9])/gi, (_, letter) => letter.toUpperCase());
