// From values to places: axes with round numbers, times in a zone, and many points made few without losing what sticks out.

// about so many round values from `low` to `high`, both inside what they span
export function ticks(low, high, about = 5) {
  if (low === high) return [low];
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10);
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) => Number(((first + place) * step).toPrecision(12)));
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const STEPS = [HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 91 * DAY, 365 * DAY];

const formats = new Map();

// a cached Intl.DateTimeFormat: making one is dear
export function written(zone, options) {
  const name = zone + JSON.stringify(options);
  if (!formats.has(name)) formats.set(name, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  return (at) => formats.get(name).format(at);
}

// instants where an axis has a mark, and how they are written there: whole hours, days or months of the zone
export function timeTicks(from, to, zone, about = 6) {
  const step = STEPS.find((each) => (to - from) / each <= about) ?? STEPS.at(-1);
  const offset = offsetOf(zone, from);
  const found = [];
  for (let at = Math.ceil((from + offset) / step) * step - offset; at <= to; at += step) found.push(at);
  const options = step < DAY ? { hour: "2-digit", minute: "2-digit", hour12: false } : step < 30 * DAY ? { day: "numeric", month: "short" } : { month: "short", year: "numeric" };
  const text = written(zone, options);
  const day = written(zone, { day: "numeric", month: "short" });
  return found.map((at) => ({ at, text: step < DAY && (at + offset) % DAY === 0 ? day(at) : text(at) }));
}

// milliseconds that the zone is ahead of UTC then
export function offsetOf(zone, at) {
  const parts = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric", hourCycle: "h23" };
  const name = `parts ${zone}`;
  if (!formats.has(name)) formats.set(name, new Intl.DateTimeFormat("en-US", { timeZone: zone, ...parts }));
  const told = Object.fromEntries(formats.get(name).formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const whole = Math.floor(at / 1_000) * 1_000;
  return Date.UTC(told.year, told.month - 1, told.day, told.hour, told.minute, told.second) - whole;
}

// Points [[x, y], …] by x, made few: of each column of pixels the lowest and the highest, in their order. What is fewer stays as it is.
export function thinned(points, columns) {
  if (points.length <= columns * 2) return points;
  const [first, last] = [points[0][0], points.at(-1)[0]];
  const kept = [];
  let column = -1;
  let low, high;
  const put = () => {
    if (column < 0) return;
    if (low === high) kept.push(low);
    else kept.push(...(low[0] < high[0] ? [low, high] : [high, low]));
  };
  for (const point of points) {
    const mine = Math.min(columns - 1, Math.floor(((point[0] - first) / (last - first)) * columns));
    if (mine !== column) {
      put();
      column = mine;
      low = high = point;
    } else if (point[1] < low[1]) low = point;
    else if (point[1] > high[1]) high = point;
  }
  put();
  return kept;
}

// the place of the point that is nearest to x
export function nearest(points, x) {
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < x) low = middle + 1;
    else high = middle;
  }
  return low > 0 && x - points[low - 1][0] < points[low][0] - x ? low - 1 : low;
}
