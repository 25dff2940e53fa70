// A long stream, held in pages: what is looked at is loaded once, what is far away is forgotten again.

export const PAGE = 200;

// Versions `from` to `to` lie on these pages; page p has the versions after p * PAGE.
export function pagesOf(from, to) {
  const first = Math.floor((Math.max(1, from) - 1) / PAGE);
  const last = Math.floor((Math.max(1, to) - 1) / PAGE);
  return Array.from({ length: last - first + 1 }, (_, n) => first + n);
}

// The events of one stream by version; `read(after, limit)` asks for a page, `changed()` is called when more is known.
export class Events {
  constructor(read, changed, { keep = 40 } = {}) {
    Object.assign(this, { read, changed, keep, version: 0, kind: "", error: null, loaded: false });
    this.pages = new Map(); // page -> Map(version -> [event, …]); an upcaster may split one event into several of one version
    this.asked = new Map();
  }

  // What was stored as this version, or null while it is not loaded.
  at(version) {
    return this.pages.get(pagesOf(version, version)[0])?.get(version) ?? null;
  }

  // Loads what these versions need and is not there; also what has grown since. Far pages are forgotten.
  async need(from, to) {
    await Promise.all(pagesOf(from, Math.max(from, to)).map((page) => this.page(page)));
  }

  // One page; a full one never changes.
  async page(page, { again = false } = {}) {
    const known = this.pages.get(page);
    if (known && !again && (known.size === PAGE || page * PAGE + known.size >= this.version)) return;
    if (!this.asked.has(page)) this.asked.set(page, this.load(page).finally(() => this.asked.delete(page)));
    await this.asked.get(page);
  }

  async load(page) {
    try {
      const told = await this.read(page * PAGE, PAGE);
      const events = new Map();
      for (const event of told.events) events.set(event.version, [...(events.get(event.version) ?? []), event]);
      this.pages.delete(page);
      this.pages.set(page, events);
      for (const far of this.pages.keys()) if (this.pages.size > this.keep) this.pages.delete(far);
      Object.assign(this, { version: Math.max(this.version, told.version), kind: told.kind, error: null, loaded: true });
    } catch (error) {
      this.error = error;
    }
    this.changed();
  }

  // Looks for events that were appended since.
  grow() {
    return this.page(pagesOf(this.version, this.version + 1).at(-1), { again: true });
  }
}
