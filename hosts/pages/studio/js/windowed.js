// Rows that are too many to follow all at once: pages by cursor as one scrolls, and the rows in view live.
//
//   scrolled ─▶ pages that are missing are asked for ─▶ settled ─▶ the rows in view are followed by their keys
//
// The gateway sorts. A row that changes stays where it was found until its page is asked for again; one that is gone, or left the
// filter, is marked. Values of rows that are followed come from the subscription alone: a page may be older than it.
import { both, identOf, keysOf, liveOf, orderOf, pageOf } from "./questions.js";

export const PAGE = 200;
const KEPT = 12; // pages before and after those in view
const AHEAD = 60; // rows before the end of a page at which the next one is asked for
const SETTLED_MS = 200;
const AGAIN_MS = 4_000; // the first page is looked up again for new rows
const AWAY_MS = 2_000;

export class WindowedRows {
  #part;
  #where;
  #order;
  #ask;
  #pages = [{ after: null, entries: null, size: PAGE, asking: false }];
  #view = { from: 0, to: 0 };
  #follow;
  #unfollow = () => {};
  #followed = new Map(); // by ident: the entry
  #idents = new Map(); // by the gateway's key
  #settle = 0;
  #refresh = 0;
  #over = false;
  #listeners = new Set();
  state = "loading";
  error = null;
  changes = 0;
  more = true;

  // `ask(document, variables)` answers data, `follow(document, variables, {next, error, state})` how to stop
  constructor({ part, where, order, ask, follow, clock = () => performance.now() }) {
    Object.assign(this, { clock });
    this.#part = part;
    this.#where = where;
    this.#order = order;
    this.#ask = ask;
    this.#follow = follow;
    this.#load(this.#pages[0]);
    this.#refresh = setInterval(() => this.#lookAgain(), AGAIN_MS);
  }

  // rows that have a place, those of a page that is still to come among them
  get size() {
    return this.#pages.reduce((sum, page) => sum + page.size, 0);
  }

  at(index) {
    return this.#pages[Math.floor(index / PAGE)]?.entries?.[index % PAGE];
  }

  onChange(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // these rows are in view now
  look(from, to) {
    if (from === this.#view.from && to === this.#view.to) return;
    this.#view = { from, to };
    this.#fetch();
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => this.#followView(), SETTLED_MS);
  }

  stop() {
    this.#over = true;
    clearInterval(this.#refresh);
    clearTimeout(this.#settle);
    this.#unfollow();
  }

  #fetch() {
    const first = Math.floor(this.#view.from / PAGE);
    const last = Math.floor((this.#view.to - 1 + AHEAD) / PAGE);
    this.#pages.forEach((page, number) => {
      if (number >= first && number <= last && page.entries === null) this.#load(page);
      if (number < first - KEPT || number > last + KEPT) page.entries = null;
    });
  }

  async #load(page) {
    if (page.asking || this.#over) return;
    page.asking = true;
    try {
      const variables = { where: this.#where, orderBy: orderOf(this.#order), first: PAGE, after: page.after };
      const { nodes, pageInfo } = (await this.#ask(pageOf(this.#part), variables))[this.#part.many];
      if (this.#over) return;
      this.error = null;
      this.#fill(page, nodes, pageInfo);
    } catch (error) {
      this.error = error;
      if (!this.#over) setTimeout(() => this.#retry(page), AWAY_MS);
    } finally {
      page.asking = false;
    }
    if (!this.#over) this.#tell();
  }

  #retry(page) {
    if (page.entries === null && this.#pages.includes(page)) this.#load(page);
  }

  #fill(page, nodes, { hasNextPage, endCursor }) {
    const place = this.#pages.indexOf(page);
    if (place < 0) return; // it was for a list that is shown no more
    const was = page.entries?.map((entry) => entry.ident).join();
    const known = new Map((page.entries ?? []).map((entry) => [entry.ident, entry]));
    page.entries = nodes.map((row) => this.#entry(row, known));
    page.size = nodes.length;
    const others = was !== undefined && was !== page.entries.map((entry) => entry.ident).join();
    if (others || !hasNextPage) this.#pages.length = place + 1;
    if (hasNextPage && this.#pages.length === place + 1) this.#pages.push({ after: endCursor, entries: null, size: PAGE, asking: false });
    this.more = this.#pages.at(-1).entries === null;
    if (this.state === "loading") this.state = "live";
    this.#fetch();
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => this.#followView(), SETTLED_MS);
  }

  #entry(row, known) {
    const ident = identOf(this.#part, row);
    const entry = this.#followed.get(ident) ?? known.get(ident) ?? { key: ident, ident, row, stamp: 0, changed: null, at: 0, gone: false };
    if (!this.#followed.has(ident)) Object.assign(entry, { row, stamp: entry.stamp + 1, gone: false });
    return entry;
  }

  #lookAgain() {
    const [first] = this.#pages;
    const near = first.entries !== null && this.#view.from < PAGE / 2;
    if (near && !globalThis.document?.hidden) this.#load(first);
  }

  // the rows in view, live
  #followView() {
    const entries = [];
    for (let index = this.#view.from; index < this.#view.to; index++) {
      const entry = this.at(index);
      if (entry !== undefined && !entry.gone) entries.push(entry);
    }
    const same = entries.length === this.#followed.size && entries.every((entry) => this.#followed.get(entry.ident) === entry);
    if (same || entries.length === 0 || this.#over) return;
    this.#unfollow();
    this.#followed = new Map(entries.map((entry) => [entry.ident, entry]));
    this.#idents.clear();
    const seen = new Set();
    const where = both(this.#where, keysOf(this.#part, entries.map((entry) => entry.row)));
    this.#unfollow = this.#follow(liveOf(this.#part), { where }, {
      next: (update) => this.#take(update, seen),
      error: (error) => this.#failed(error),
      state: (said) => ((this.state = said === "loading" ? this.state : said), this.#tell()),
    });
  }

  #failed(error) {
    this.error = error;
    this.#tell();
  }

  #take({ snapshot, reset, complete, changed, removed }, seen) {
    if (reset) seen.clear();
    for (const { key, row } of changed) {
      const ident = identOf(this.#part, row);
      const entry = this.#followed.get(ident);
      this.#idents.set(key, ident);
      seen.add(ident);
      if (entry !== undefined) this.#renew(entry, row);
    }
    for (const { key } of removed) this.#lose(this.#followed.get(this.#idents.get(key)));
    if (snapshot && complete) for (const [ident, entry] of this.#followed) if (!seen.has(ident)) this.#lose(entry);
    if (!snapshot) this.changes += changed.length + removed.length;
    this.#tell();
  }

  #renew(entry, row) {
    const changed = Object.keys(row).filter((name) => JSON.stringify(row[name]) !== JSON.stringify(entry.row[name]));
    if (changed.length === 0 && !entry.gone) return;
    Object.assign(entry, { row, changed, at: this.clock(), stamp: entry.stamp + 1, gone: false });
  }

  #lose(entry) {
    if (entry !== undefined && !entry.gone) Object.assign(entry, { gone: true, changed: null, stamp: entry.stamp + 1 });
  }

  #tell() {
    for (const listener of this.#listeners) listener(this);
  }
}
