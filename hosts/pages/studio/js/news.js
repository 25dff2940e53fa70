// What an event says on one line: its plain fields, without those in which the event before it said the same.

export function news(data, before) {
  const fields = Object.entries(data ?? {}).filter(([name, value]) => name !== "type" && (value === null || typeof value !== "object"));
  const fresh = fields.filter(([name, value]) => before?.[name] !== value);
  return (fresh.length > 0 ? fresh : fields).map(([name, value]) => `${name} ${value}`).join(" · ");
}
