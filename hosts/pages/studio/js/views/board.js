// The departure board, as people know it from an airport: what goes next from here, around the time it is in the app.

import { css, html, to, useEffect, useMemo, useReducer, useRef, useState, usePolled } from "../core.js";
import { Empty, Loading, Problem } from "../ui.js";
import { clockIn, dayIn, remarkOf, shownAt, windowAt } from "../departures.js";
import { Flaps } from "../flaps.js";
import { LiveRows } from "../liverows.js";
import { follow, query } from "../live.js";
import { liveOf, pageOf } from "../questions.js";

const HOUR = 3_600_000;
const EVERY_MS = 1_500; // the window moves on so often at most, whatever the speed of a replay
const REMARKS = { least: 15, most: 36, timed: 20 }; // flaps; with so many there is room for when it left
const LINES = { least: 8, most: 40 };

css("board");

// the values of `home`: those of a part that has it as its key, otherwise of the first rows
async function homesOf(model, look, part) {
  const keyed = model.rows.find((each) => each.many && each.key.length === 1 && each.key[0] === look.home);
  const from = keyed ?? part;
  const data = await query(pageOf(from), { where: {}, first: 1_000 });
  return [...new Set(data[from.many].nodes.map((row) => row[look.home]))].sort();
}

function useHomes(model, look, part) {
  const [homes, setHomes] = useState(look.home ? null : [null]);
  const [error, setError] = useState(null);
  useEffect(() => {
    if (!look.home) return undefined;
    let over = false;
    const ask = () =>
      homesOf(model, look, part).then(
        (found) => over || (setError(null), setHomes(found), found.length === 0 && later()),
        (failure) => over || (setError(failure), later()),
      );
    const later = () => setTimeout(() => over || ask(), 2_000);
    ask();
    return () => (over = true);
  }, [look]);
  return { homes, error };
}

// the rows of one home in a window of time, live; the old ones stay until the new ones are whole
function useDepartures(part, look, home, from, to) {
  const rows = useMemo(() => new LiveRows({ order: [{ name: look.at, type: "DateTime" }] }), [look, home]);
  const [told, setTold] = useState({ state: "loading", error: null });
  const [, draw] = useReducer((count) => count + 1, 0);
  useEffect(() => rows.onChange(draw), [rows]);
  useEffect(() => {
    if (from === null || home === undefined) return undefined;
    const terms = [{ [look.at]: { ge: from, lt: to } }, ...(home === null ? [] : [{ [look.home]: { eq: home } }])];
    return follow(liveOf(part), { where: { and: terms } }, {
      next: (update) => rows.take(update),
      state: (state) => setTold((was) => ({ state: state === "loading" && rows.size > 0 ? was.state : state, error: null })),
      error: (error) => setTold((was) => ({ ...was, error })),
    });
  }, [rows, from, to]);
  return { rows, ...told };
}

// the app's time, and by how much somebody looks ahead or back
function useClock() {
  const { data, stale } = usePolled("flow", {}, 1_000);
  return { clock: data ? Date.parse(data.clock) : null, stale };
}

// moves at most every so often
function usePaced(value, everyMs) {
  const [paced, setPaced] = useState(value);
  const last = useRef(0);
  useEffect(() => {
    if (value === paced) return undefined;
    const wait = paced === null ? 0 : Math.max(0, everyMs - (Date.now() - last.current));
    const timer = setTimeout(() => ((last.current = Date.now()), setPaced(value)), wait);
    return () => clearTimeout(timer);
  }, [value]);
  return paced;
}

// for how many lines, and flaps of remarks, there is room
function useRoom(place, others) {
  const [room, setRoom] = useState({ lines: 12, remarks: REMARKS.least });
  useEffect(() => {
    const measure = () => {
      const table = place.current?.querySelector("table");
      if (!table) return;
      const flap = table.querySelector(".flap").getBoundingClientRect();
      const top = table.querySelector("tbody").getBoundingClientRect().top + (document.fullscreenElement ? 0 : window.scrollY);
      const lines = clamp((window.innerHeight - top - 30) / (flap.height + 4), LINES);
      const wide = place.current.querySelector(".board-table").clientWidth - 46;
      const remarks = clamp(wide / flap.width - others, REMARKS);
      setRoom((was) => (was.lines === lines && was.remarks === remarks ? was : { lines, remarks }));
    };
    measure();
    window.addEventListener("resize", measure);
    document.addEventListener("fullscreenchange", measure);
    const timer = setInterval(measure, 2_000);
    return () => (clearInterval(timer), window.removeEventListener("resize", measure), document.removeEventListener("fullscreenchange", measure));
  }, [others]);
  return room;
}

const clamp = (value, { least, most }) => Math.max(least, Math.min(most, Math.floor(value)));

function Line({ look, row, nowMs, timeOf, widths, remarks }) {
  if (!row) {
    return html`<tr class="board-blank" aria-hidden="true">${[5, widths.what, widths.place, remarks].map((flaps) => html`<td><${Flaps} text="" flaps=${flaps} /></td>`)}</tr>`;
  }
  const { text, tone } = remarkOf(look, row, nowMs, remarks >= REMARKS.timed ? timeOf : null);
  return html`<tr class="board-${tone}">
    <td><${Flaps} text=${timeOf(row[look.at])} flaps=${5} /></td>
    <th scope="row"><${Flaps} text=${whatOf(look, row)} flaps=${widths.what} tone="flaps-what" /></th>
    <td><${Flaps} text=${String(row[look.place] ?? "")} flaps=${widths.place} /></td>
    <td><${Flaps} text=${text} flaps=${remarks} tone="flaps-remark" /></td>
  </tr>`;
}

const whatOf = (look, row) => look.what.map((name) => row[name]).join(" ");

// flaps of the columns: what the longest value needs, and never fewer than before
function useWidths(look) {
  const widths = useRef(null);
  widths.current ??= {
    what: 7,
    place: 3,
    see(shown) {
      for (const row of shown) {
        this.what = Math.min(14, Math.max(this.what, whatOf(look, row).length));
        this.place = Math.min(16, Math.max(this.place, String(row[look.place] ?? "").length));
      }
    },
  };
  return widths.current;
}

function Nothing({ part, look, home, nowMs, timeOf, onJump }) {
  const [last, setLast] = useState(null);
  useEffect(() => {
    const where = home === null ? {} : { [look.home]: { eq: home } };
    const before = { and: [where, { [look.at]: { lt: new Date(nowMs).toISOString() } }] };
    query(pageOf(part), { where: before, orderBy: [{ [look.at]: "DESC" }], first: 1 }).then((data) => setLast(data[part.many].nodes[0]?.[look.at] ?? null), () => {});
  }, [home]);
  return html`<div class="board-nothing" role="status"><p>Nothing goes from here around this time.</p>
    ${last && html`<button type="button" onClick=${() => onJump(Date.parse(last) - nowMs)}>Show the last one, at ${timeOf(last)}</button>`}</div>`;
}

function Board({ model, look, part, number }) {
  const place = useRef(null);
  const zone = useMemo(() => zoneOf(model), [model]);
  const timeOf = useMemo(() => clockIn(zone), [zone]);
  const dayOf = useMemo(() => dayIn(zone), [zone]);
  const { homes, error: unknown } = useHomes(model, look, part);
  const [chosen, setChosen] = useState(undefined);
  const home = chosen ?? homes?.[0];
  const [shift, setShift] = useState(0);
  const { clock, stale } = useClock();
  const nowMs = clock === null ? null : clock + shift;
  const { from, to: until } = nowMs === null ? { from: null, to: null } : windowAt(nowMs);
  const paced = usePaced(from, EVERY_MS);
  const { rows, state, error } = useDepartures(part, look, home, paced, paced === from ? until : paced && windowEnd(paced));
  const widths = useWidths(look);
  const { lines: room, remarks } = useRoom(place, 5 + widths.what + widths.place);
  const shown = nowMs === null ? [] : shownAt(look, rows.view, nowMs, room);
  widths.see(shown);

  const problem = error ?? (homes === null ? unknown : null);
  const empty = state === "live" && shown.length === 0 && rows.complete && paced === from;
  const lines = Array.from({ length: room }, (_, line) => shown[line]);
  const fill = () => (document.fullscreenElement ? document.exitFullscreen() : place.current.requestFullscreen().catch(() => {}));
  if (homes?.length === 0) return html`<h1>${look.title}</h1><${Empty} title="No departures yet">They appear here by themselves as soon as the first one is scheduled.<//>`;
  return html`<section class="board ${state === "lost" || stale ? "board-lost" : ""}" ref=${place} style=${{ "--flaps": 5 + widths.what + widths.place + REMARKS.least }} aria-labelledby="board-title">
    <header class="board-head">
      <h1 id="board-title"><span aria-hidden="true" class="board-plane">✈</span> ${look.title}${home && html` <span class="board-home">${home}</span>`}</h1>
      ${nowMs !== null && html`<p class="board-clock"><span class="unseen">It is </span><time datetime=${new Date(nowMs).toISOString()}>${timeOf(nowMs)}</time><span class="board-day">${dayOf(nowMs)} · ${zone}</span></p>`}
    </header>
    <div class="board-bar">
      ${homes && homes.length > 1 && html`<div role="group" aria-label="Airport" class="board-homes">${homes.map((each) => html`<button type="button" key=${each} aria-pressed=${each === home} onClick=${() => setChosen(each)}>${each}</button>`)}</div>`}
      <div role="group" aria-label="Time" class="board-times">
        <button type="button" onClick=${() => setShift(shift - 2 * HOUR)} title="Two hours earlier">−2 h</button>
        <button type="button" aria-pressed=${shift === 0} onClick=${() => setShift(0)}>Now</button>
        <button type="button" onClick=${() => setShift(shift + 2 * HOUR)} title="Two hours later">+2 h</button>
        <button type="button" onClick=${fill}>Full screen</button>
      </div>
    </div>
    ${problem && html`<${Problem} error=${problem} />`}
    <div class="board-table">
      <table>
        <caption class="unseen">${look.title} ${home ?? ""}, times in ${zone}</caption>
        <thead><tr><th scope="col">Time</th><th scope="col">Flight</th><th scope="col">To</th><th scope="col">Remarks</th></tr></thead>
        <tbody>${lines.map((row, line) => html`<${Line} key=${line} look=${look} row=${row} nowMs=${nowMs} timeOf=${timeOf} widths=${widths} remarks=${remarks} />`)}</tbody>
      </table>
      ${empty && html`<${Nothing} part=${part} look=${look} home=${home} nowMs=${nowMs} timeOf=${timeOf} onJump=${(ms) => setShift(shift + ms)} />`}
      ${state === "loading" && rows.size === 0 && !problem && html`<div class="board-nothing"><${Loading} what="the board" /></div>`}
    </div>
  </section>`;
}

const windowEnd = (from) => windowAt(Date.parse(from) + 45 * 60_000).to;

// where the board hangs: the zone that the app counts its days and hours in, or the visitor's
function zoneOf(model) {
  const zones = model.rows.map((part) => part.window?.zone).filter((zone) => zone && zone !== "UTC");
  return zones[0] ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export default function View({ model, route }) {
  const boards = model.looks.filter((look) => look.kind === "timetable" && look.many);
  const number = Number(route.args[0] ?? 0);
  const look = boards[number];
  const part = look && model.rows.find((each) => each.part === look.part);
  if (!part) return html`<h1>Board</h1><${Empty} title="There is no such board">An app names its boards in its looks: <code>Timetable(part=…, at=…, what=…, place=…)</code><//>`;
  return html`
    ${boards.length > 1 && html`<nav aria-label="Boards" class="board-boards"><ul>${boards.map((each, place) => html`<li><a href=${to("board", place)} aria-current=${place === number ? "page" : undefined}>${each.title}</a></li>`)}</ul></nav>`}
    <${Board} key=${number} model=${model} look=${look} part=${part} />
  `;
}
