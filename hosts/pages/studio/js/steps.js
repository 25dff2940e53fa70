// The steps of a rebuild: which of them is possible for a group as it stands, and why another is not.
//
//   start ─▶ filling ─▶ filled ─▶ compare … swap ─▶ finish        abort, until the swap: green is dropped

// {start, compare, swap, finish, abort}: "" where it is possible, else why not
export function reasons(group) {
  const { green, job, generations } = group;
  const filling = job?.step === "filling";
  const swapping = job?.step === "swapping";
  const none = green === null ? "no rebuild is under way" : "";
  const old = generations.filter(({ phase }) => phase === "blue" || phase === "fenced");
  return {
    start: filling ? "it is being filled" : swapping ? "it is being swapped" : green !== null && done(group) ? "it is filled already" : "",
    compare: none,
    swap: none || (filling ? "it is being filled" : swapping ? "it is being swapped" : ""), // streams that are parked in green only are refused by the server, which knows those of live
    finish: old.length > 0 ? "" : "nothing has been replaced",
    abort: none || (swapping ? "it is being swapped" : ""),
  };
}

// whether everything that there is to fold was folded
export const done = ({ streams, streams_done: there, job }) => job?.step !== "failed" && there >= streams;

// where a group stands: idle | filling | behind (nobody fills it) | filled | swapping | replaced | failed
export function standing(group) {
  const { green, job, generations } = group;
  if (job?.step === "swapping") return "swapping";
  if (green !== null) return ["failed", "filling"].includes(job?.step) ? job.step : done(group) ? "filled" : "behind";
  return generations.some(({ phase }) => phase === "blue" || phase === "fenced") ? "replaced" : "idle";
}

// the one step that comes next; "" while something is under way
export function next(group) {
  const wanted = { idle: "start", failed: "start", behind: "start", filled: "swap", replaced: "finish" }[standing(group)] ?? "";
  return reasons(group)[wanted] === "" ? wanted : "";
}

