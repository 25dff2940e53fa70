// How far away a timer is, by the sagas' clock, which a replay of the past drives.

const UNITS = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
];

// "in 14 min 30 s" · "in 2 d 3 h" · "due"; without a clock, that it waits
export function until(due, clock) {
  const left = Math.round((Date.parse(due) - Date.parse(clock ?? "")) / 1_000);
  if (Number.isNaN(left)) return "waiting";
  if (left <= 0) return "due";
  const first = UNITS.findIndex(([size]) => left >= size);
  const [size, unit] = UNITS[first];
  const [finer, finerUnit] = UNITS[first + 1] ?? [0, ""];
  const rest = finer ? Math.floor((left % size) / finer) : 0;
  return `in ${Math.floor(left / size)} ${unit}${rest ? ` ${rest} ${finerUnit}` : ""}`;
}
