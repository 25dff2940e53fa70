// The rows of an aggregation, live and shared by every chart of it; in a shorter range of windows where all would be too many.

import { useEffect, useReducer } from "./core.js";
import { LiveRows } from "./liverows.js";
import { follow } from "./live.js";
import { selection } from "./questions.js";

const DAY = 86_400_000;
const RANGES = [366 * DAY, 92 * DAY, 31 * DAY, 7 * DAY, DAY]; // tried one after the other when all are too many
const EVERY_MS = 500; // a chart is drawn anew so often at most
const followed = new Map(); // by part

function documentOf(part) {
  const hasRange = part.window !== null && part.range;
  const [asked, given] = hasRange ? [`$window: ${part.range}, `, "window: $window, "] : ["", ""];
  return `subscription StudioTally(${asked}$after: String) {
  ${part.many}(${given}after: $after) {
    snapshot reset complete cursor
    changed { key revision { generation n } row { ${selection(part)} } }
    removed { key revision { generation n } }
  }
}`;
}

class Tally {
  rows = new LiveRows();
  state = "loading";
  error = null;
  rangeMs = null; // null: all windows
  users = 0;
  #stop = () => {};
  #listeners = new Set();

  constructor(part, nowMs) {
    this.part = part;
    this.nowMs = nowMs;
    this.rows.onChange(() => this.#tell());
    this.#open();
  }

  #open() {
    const from = this.rangeMs === null ? null : new Date(this.nowMs() - this.rangeMs).toISOString();
    const isDay = this.part.range === "DateRange";
    const window = from === null ? null : { from: isDay ? from.slice(0, 10) : from };
    this.#stop = follow(documentOf(this.part), this.part.range ? { window } : {}, {
      next: (update) => this.rows.take(update),
      state: (state) => ((this.state = state), this.#tell()),
      error: (error) => this.#failed(error),
    });
  }

  #failed(error) {
    const shorter = RANGES.find((each) => this.rangeMs === null || each < this.rangeMs);
    if (error.code === "LIMIT_EXCEEDED" && this.part.range && shorter) {
      this.rangeMs = shorter;
      this.#open();
    } else this.error = error;
    this.#tell();
  }

  onChange(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop() {
    this.#stop();
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }
}

// {rows, state, error, rangeMs}; `nowMs` tells the app's time, for a range that ends there
export function useTally(part, nowMs = Date.now) {
  const tally = followed.get(part.part) ?? followed.set(part.part, new Tally(part, nowMs)).get(part.part);
  const [drawn, draw] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    let timer = 0;
    tally.users += 1;
    followed.set(part.part, tally); // another chart's last use may have let it go meanwhile
    const stop = tally.onChange(() => {
      if (timer === 0) timer = setTimeout(() => ((timer = 0), draw()), tally.rows.complete ? EVERY_MS : 60);
    });
    draw();
    return () => {
      clearTimeout(timer);
      stop();
      tally.users -= 1;
      setTimeout(() => {
        if (tally.users > 0 || followed.get(part.part) !== tally) return;
        followed.delete(part.part);
        tally.stop();
      }, 100);
    };
  }, [tally]);
  return { tally, drawn };
}
