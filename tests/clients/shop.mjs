// What the clients ask of the shop, and one order to place.
export const TICKETS = `query Tickets($after: String) {
  ticketRows(first: 1000, after: $after) {
    nodes { order customer amount stage }
    pageInfo { hasNextPage endCursor }
  }
}`;

export const TICKET = `query Ticket($order: String!, $after: String) {
  ticket(order: $order, after: $after) { order customer amount stage }
}`;

export const PLACE = `mutation PlaceOrder($input: PlaceOrderInput!, $key: String) {
  placeOrder(input: $input, key: $key) { token replayed }
}`;

export const LIVE = `subscription LiveTickets($after: String) {
  ticketRows(after: $after) {
    snapshot
    reset
    complete
    changed { key revision { generation n } row { order customer amount stage } }
    removed { key revision { generation n } }
    cursor
  }
}`;

export function order(id, customer = "ann") {
  return { input: { order: id, customer, sku: "tea", quantity: 1, amount: 500, at: "2026-01-01T10:00:00Z" } };
}

// a live view: rows by key, newest revision; what must not happen is counted
export class View {
  rows = new Map();
  newest = new Map(); // of every key ever, so that a snapshot cannot go back either
  told = new Set(); // keys since the last reset
  snapshots = 0;
  updates = 0;
  doubled = 0;
  backwards = 0;

  take({ snapshot, reset, changed, removed }) {
    this.updates += 1;
    if (reset) {
      this.snapshots += 1;
      this.rows.clear();
      this.told.clear();
    }
    for (const { key, revision, row } of changed) if (this.isNew(key, revision)) this.rows.set(key, row);
    for (const { key, revision } of removed) if (this.isNew(key, revision)) this.rows.delete(key);
    return snapshot;
  }

  isNew(key, { generation, n }) {
    const before = this.newest.get(key);
    const known = this.told.has(key);
    this.told.add(key);
    if (before && (generation < before.generation || (generation === before.generation && n < before.n))) {
      this.backwards += 1;
      return false;
    }
    if (before && known && generation === before.generation && n === before.n) {
      this.doubled += 1;
      return false;
    }
    this.newest.set(key, { generation, n });
    return true;
  }
}
