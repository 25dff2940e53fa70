// Where a table's rows come from: all of them live while the gateway lets one subscription hold them, in a window otherwise.

import { useEffect, useRef, useState } from "./core.js";
import { LiveRows } from "./liverows.js";
import { follow, query } from "./live.js";
import { liveOf } from "./questions.js";
import { WindowedRows } from "./windowed.js";

// {rows: LiveRows | WindowedRows, windowed, state, error, limit}; `where` is a filter, `order` [{name, down, type}]
export function useRows(part, where, order) {
  const question = JSON.stringify([part.part, where]);
  const sorted = JSON.stringify(order);
  const [told, setTold] = useState(() => begun(order));
  const kept = useRef(null);

  useEffect(() => {
    // a new filter of the same part: what is shown stays until the new rows are complete
    const rows = kept.current?.part === part.part ? kept.current.rows : new LiveRows({ order });
    kept.current = { part: part.part, rows };
    rows.sortBy(order);
    setTold((was) => ({ ...begun(order), rows, state: was.rows === rows && rows.size > 0 ? "changing" : "loading" }));
    return follow(liveOf(part), { where }, {
      next: (update) => rows.take(update),
      state: (state) => setTold((was) => (was.windowed ? was : { ...was, rows, state: state === "loading" && was.state === "changing" ? "changing" : state })),
      error: (error) => setTold((was) => ({ ...was, error, windowed: error.code === "LIMIT_EXCEEDED", limit: limitOf(error) })),
    });
  }, [question]);

  const { windowed } = told;
  useEffect(() => {
    if (!windowed) {
      kept.current?.rows.sortBy(order);
      return undefined;
    }
    kept.current = null;
    const rows = new WindowedRows({ part, where, order, ask: query, follow });
    const unfollow = rows.onChange(() =>
      setTold((was) => (was.rows === rows && was.state === rows.state && was.error === rows.error ? was : { ...was, rows, state: rows.state, error: rows.error })),
    );
    return () => {
      unfollow();
      rows.stop();
    };
  }, [windowed, question, sorted]);
  return told;
}

const begun = (order) => ({ rows: new LiveRows({ order }), windowed: false, state: "loading", error: null, limit: null });

// "… is 11,000, the limit is 10,000: …"
function limitOf({ message }) {
  const found = /limit is ([\d,]+)/.exec(message);
  return found ? Number(found[1].replaceAll(",", "")) : null;
}

// a row of either kind of source
export const entryOf = (rows, index) => (rows instanceof LiveRows ? rows.view[index] : rows.at(index));
