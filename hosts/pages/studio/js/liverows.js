// The rows of one live question, as they are now and in order, however fast they change.
//
//   update ─▶ waiting (newest of each key) ─▶ once a frame, so many at a time ─▶ rows ─▶ order ─▶ whoever shows them
//
// Of two states of one row the one with the greater revision counts, of a row that is gone, too. A `reset` begins anew: what was shown
// stays until the new picture is complete, so that nothing flickers, and a row that is the same in both has not changed.
import { comparing } from "./order.js";

const SLICE = 2_000; // states taken over in one frame: a few milliseconds
const GONE = 20_000; // revisions remembered of rows that are gone

const frame = (work) => globalThis.requestAnimationFrame(work);

export class LiveRows {
  #rows = new Map(); // by key
  #gone = new Map(); // by key: the revision
  #waiting = new Map(); // by key: {row, revision}, row null when it is gone
  #before = null; // the rows of the last picture, while a new one comes
  #shown = [];
  #compare;
  #order;
  #schedule;
  #clock;
  #due = false;
  #listeners = new Set();
  complete = false; // the whole picture is in
  taken = 0; // states that were told, for whoever counts
  changes = 0; // … of them after the picture

  constructor({ order = [], schedule = frame, clock = () => performance.now() } = {}) {
    this.#schedule = schedule;
    this.#clock = clock;
    this.#order = order;
    this.#compare = comparing(order);
  }

  // an update as a generated subscription tells it
  take({ snapshot = false, reset = false, complete = true, changed = [], removed = [] }) {
    if (reset) this.#begin();
    for (const { key, revision, row } of changed) this.#wait(key, revision, row);
    for (const { key, revision } of removed) this.#wait(key, revision, null);
    this.taken += changed.length + removed.length;
    if (!snapshot) this.changes += changed.length + removed.length;
    const was = this.complete;
    this.complete = snapshot ? complete : this.complete || complete;
    if (this.#waiting.size > 0 || reset || was !== this.complete) this.#plan();
  }

  // sort otherwise: [{name, down, type}]
  sortBy(order) {
    this.#order = order;
    this.#compare = comparing(order);
    this.#shown = [...this.#shown].sort(this.#compare);
    this.#tell();
  }

  // in order; the array is another one after each change of places, an entry {key, row, stamp, changed, at} stays the same object.
  // `stamp` counts an entry's states; `changed` names what differs from the last state, since `at` (0: as it came with the picture)
  get view() {
    return this.#shown;
  }

  get size() {
    return this.#shown.length;
  }

  // called at most once a frame, after the view changed; answers how to stop it
  onChange(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // everything that waits, now
  flush() {
    while (this.#waiting.size > 0) this.#slice();
    this.#settle();
  }

  #begin() {
    if (this.#before === null) this.#before = this.#rows;
    this.#rows = new Map();
    this.#gone.clear();
    this.#waiting.clear();
    this.complete = false;
  }

  #wait(key, revision, row) {
    const known = this.#waiting.get(key)?.revision ?? this.#rows.get(key)?.revision ?? this.#gone.get(key);
    if (known === undefined || newer(revision, known)) this.#waiting.set(key, { revision, row });
  }

  #plan() {
    if (this.#due) return;
    this.#due = true;
    this.#schedule(() => {
      this.#due = false;
      this.#slice();
      if (this.#waiting.size > 0) this.#plan();
      this.#settle();
    });
  }

  // the first states that wait, taken over
  #slice() {
    const moved = [];
    let left = SLICE;
    let dropped = false;
    for (const [key, { revision, row }] of this.#waiting) {
      if (left-- === 0) break;
      this.#waiting.delete(key);
      const entry = this.#rows.get(key);
      if (row === null) {
        dropped = this.#forget(key, revision, entry) || dropped;
      } else if (entry === undefined) {
        moved.push(this.#add(key, revision, row));
      } else if (this.#renew(entry, revision, row)) {
        entry.moves = dropped = true;
        moved.push(entry);
      }
    }
    if (this.#holding) return;
    this.#place(moved, dropped);
  }

  get #holding() {
    return this.#before !== null && this.#before.size > 0;
  }

  #add(key, revision, row) {
    const last = this.#before?.get(key);
    const at = this.complete && this.#before === null ? this.#clock() : 0;
    const entry = { key, revision, row, stamp: 1, changed: null, at, moves: false };
    if (last !== undefined) {
      Object.assign(entry, { stamp: last.stamp, changed: last.changed, at: last.at });
      this.#compareWith(entry, last.row);
    } else if (at > 0) entry.changed = Object.keys(row);
    this.#rows.set(key, entry);
    this.#gone.delete(key);
    return entry;
  }

  #renew(entry, revision, row) {
    const last = entry.row;
    entry.row = row;
    entry.revision = revision;
    this.#compareWith(entry, last);
    return this.#order.some(({ name }) => last[name] !== row[name]);
  }

  #compareWith(entry, last) {
    const changed = Object.keys(entry.row).filter((name) => !same(entry.row[name], last[name]));
    if (changed.length === 0) return;
    Object.assign(entry, { stamp: entry.stamp + 1, changed, at: this.#clock() });
  }

  #forget(key, revision, entry) {
    this.#gone.delete(key);
    this.#gone.set(key, revision);
    if (this.#gone.size > GONE) this.#gone.delete(this.#gone.keys().next().value);
    this.#rows.delete(key);
    if (entry !== undefined) entry.moves = true;
    return entry !== undefined;
  }

  // entries into their places: what stays is copied in runs, each place is found by halving
  #place(moved, dropped) {
    if (moved.length === 0 && !dropped) return;
    const rest = dropped ? this.#shown.filter((entry) => !entry.moves) : this.#shown;
    this.#shown = merged(rest, moved.sort(this.#compare), this.#compare);
    for (const entry of moved) entry.moves = false;
  }

  // after a slice: the new picture takes the old one's place once it is complete
  #settle() {
    if (this.#before !== null && this.complete && this.#waiting.size === 0) {
      this.#before = null;
      this.#shown = [...this.#rows.values()].sort(this.#compare);
    }
    if (!this.#holding) this.#tell();
  }

  #tell() {
    for (const listener of this.#listeners) listener(this);
  }
}

// a state told later; equal generations count their own revisions
export const newer = (a, b) => (a.generation === b.generation ? a.n > b.n : a.generation > b.generation);

function same(a, b) {
  return a === b || (typeof a === "object" && typeof b === "object" && a !== null && b !== null && JSON.stringify(a) === JSON.stringify(b));
}

function merged(rest, added, compare) {
  if (added.length === 0) return rest;
  const whole = [];
  let from = 0;
  for (const entry of added) {
    let [low, high] = [from, rest.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(rest[middle], entry) < 0) low = middle + 1;
      else high = middle;
    }
    for (; from < low; from++) whole.push(rest[from]);
    whole.push(entry);
  }
  for (; from < rest.length; from++) whole.push(rest[from]);
  return whole;
}
