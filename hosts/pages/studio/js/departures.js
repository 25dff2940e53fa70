// What a departure board says of a row, and which rows it shows: from the data and the clock alone.

const MINUTE = 60_000;
const HALF_HOUR = 30 * MINUTE;
const LATE_MIN = 5; // what is later than that is called so
const OVER_MS = 30 * MINUTE; // what will not leave stays so long after its time
const LEFT_MS = 8 * MINUTE; // what left stays for a moment
const DELAYED_MS = 4 * 60 * MINUTE; // what should have left long ago and has not is shown so long
const FOLLOWED_MS = 13 * 60 * MINUTE;

// the rows that are followed at an instant: a window that moves in half hours, so that it is not asked for with every tick
export function windowAt(nowMs) {
  const from = Math.floor((nowMs - DELAYED_MS) / HALF_HOUR) * HALF_HOUR;
  return { from: new Date(from).toISOString(), to: new Date(from + FOLLOWED_MS).toISOString() };
}

// HH:MM there
export function clockIn(zone) {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", hour12: false });
  return (instant) => format.format(new Date(instant));
}

export function dayIn(zone) {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, weekday: "long", day: "numeric", month: "long", year: "numeric" });
  return (instant) => format.format(new Date(instant));
}

// {text, tone}: good, late, bad or gone; `timeOf` writes when it left, where there is room for it
export function remarkOf(look, row, nowMs, timeOf = null) {
  const status = look.status ? String(row[look.status] ?? "") : "";
  const word = status.toLowerCase();
  if (isOver(look, row)) return { text: status, tone: "bad" };
  const delay = look.delay ? row[look.delay] : null;
  if (look.left && row[look.left]) {
    const late = delay !== null && Number(delay) >= LATE_MIN ? ` +${delay}` : "";
    return { text: `departed${timeOf ? ` ${timeOf(row[look.left])}` : ""}${late}`, tone: "gone" };
  }
  const due = delay === null || delay === undefined ? Math.floor((nowMs - Date.parse(row[look.at])) / MINUTE) : Number(delay);
  if (due >= LATE_MIN) return { text: `delayed ${due} min`, tone: "late" };
  return word === "" || word === "scheduled" ? { text: "on time", tone: "good" } : { text: status, tone: "good" };
}

// the rows of a board at an instant, in order of their time; those that are still here although they should be gone stay
export function shownAt(look, rows, nowMs, most) {
  const shown = [];
  for (const { row } of rows) {
    if (shown.length === most) break;
    if (nowMs < untilOf(look, row)) shown.push(row);
  }
  return shown;
}

// until when a row is shown
function untilOf(look, row) {
  const at = Date.parse(row[look.at]);
  if (isOver(look, row)) return at + OVER_MS;
  const left = look.left ? row[look.left] : null;
  if (left) return Date.parse(left) + LEFT_MS;
  return at + (look.left ? DELAYED_MS : OVER_MS);
}

const isOver = (look, row) => /^(cancel|divert)/i.test(String(row[look.status] ?? ""));
