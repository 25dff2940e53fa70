// How rows are sorted in the page: as the gateway sorts them, so that a page of rows and a live table agree.

// text by code point: UTF-16 would sort what is beyond U+FFFF before U+E000
export function compareText(a, b) {
  if (a === b) return 0;
  const most = Math.min(a.length, b.length);
  for (let place = 0; place < most; place++) {
    const one = a.charCodeAt(place);
    const other = b.charCodeAt(place);
    if (one !== other) return rank(one) - rank(other);
  }
  return a.length - b.length;
}

const rank = (unit) => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);

const compareNumber = (a, b) => a - b;
const compareInstant = (a, b) => compareText(a.replace("Z", ""), b.replace("Z", "")); // …:00.5Z is after …:00Z

const COMPARES = {
  Int: compareNumber,
  BigInt: compareNumber,
  Float: compareNumber,
  Decimal: (a, b) => Number(a) - Number(b),
  Boolean: compareNumber,
  DateTime: compareInstant,
};

// of two values of one GraphQL type; none comes before everything
export function compareOf(type) {
  const compare = COMPARES[type] ?? ((a, b) => compareText(String(a), String(b)));
  return (a, b) => {
    const none = (a === null || a === undefined) - (b === null || b === undefined);
    return none !== 0 ? -none : a === null || a === undefined ? 0 : compare(a, b);
  };
}

// of two entries of a store of rows, by `order`: [{name, down, type}], the first counts most, the key breaks ties
export function comparing(order) {
  const terms = order.map(({ name, down, type }) => ({ name, sign: down ? -1 : 1, compare: compareOf(type) }));
  return (a, b) => {
    for (const { name, sign, compare } of terms) {
      const found = compare(a.row[name], b.row[name]);
      if (found !== 0) return sign * found;
    }
    return compareText(a.key, b.key);
  };
}

// what a click on a column makes of an order: up, down, and up again; with `more` (shift) beside the others, and the third time not at all
export function turned(order, name, more) {
  const now = order.find((term) => term.name === name);
  if (!more) return [{ name, down: now !== undefined && order.length === 1 ? !now.down : false }];
  if (now === undefined) return [...order, { name, down: false }];
  if (!now.down) return order.map((term) => (term === now ? { name, down: true } : term));
  return order.filter((term) => term !== now);
}
