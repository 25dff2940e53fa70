// Where the hops of the picture are, and the pipes between them; in CSS pixels, from nothing but a width and the names of the groups.
//
//   wide:    clients ▶ commands ▶ store ▶ relay ▶ bus          three hulls: what is written, what follows from it, what is read
//               │          ▲────── outbox ◀ saga ◀─┤
//               └◀ gateway ◀── rows ◀ projector ◀──┘
//
//   narrow:  the same from top to bottom, ways back, and past others, in the gutters on the left and the right

const TALL = 108;
const GROUP = 124;
const LONG = 152; // narrow, with its one line of explanation
const LONG_GROUP = 178;
const BETWEEN = 14;
const TITLE = 26;
const LANES = 20;

export const NARROW = 820;

export function layout(width, groups) {
  const sagas = groups.filter((group) => group.saga).map((group) => group.name);
  const readers = groups.filter((group) => !group.saga).map((group) => group.name);
  return width < NARROW ? narrow(width, sagas, readers) : wide(width, sagas, readers);
}

const stacked = (count, height) => count * height + Math.max(0, count - 1) * BETWEEN;
const middle = (card) => card.y + card.h / 2;

function wide(width, sagas, readers) {
  const gap = Math.max(26, width * 0.042);
  const ends = Math.min(150, Math.max(112, width * 0.125));
  const w = (width - 2 * ends - 4 * gap) / 3;
  const x = [0, ends + gap, ends + 2 * gap + w, ends + 3 * gap + 2 * w, width - ends];

  const sagaTop = TITLE + TALL + LANES + TITLE;
  const readTop = sagas.length ? sagaTop + stacked(sagas.length, GROUP) + LANES + TITLE : sagaTop;
  const readHigh = Math.max(TALL, stacked(readers.length, GROUP));
  const height = readTop + readHigh;
  const inLane = (at) => ({ x: x[at], y: readTop + (readHigh - TALL) / 2, w, h: TALL });

  const cards = {
    clients: { x: 0, y: TITLE, w: ends, h: height - TITLE },
    commands: { x: x[1], y: TITLE, w, h: TALL },
    store: { x: x[2], y: TITLE, w, h: TALL },
    relay: { x: x[3], y: TITLE, w, h: TALL },
    bus: { x: x[4], y: TITLE, w: ends, h: height - TITLE },
    rows: inLane(2),
    gateway: inLane(1),
  };
  const pipes = [
    across("clients", "commands", cards, "write"),
    across("commands", "store", cards, "write"),
    across("store", "relay", cards, "write"),
    across("relay", "bus", cards, "write"),
  ];
  sagas.forEach((name, at) => {
    const y = sagaTop + at * (GROUP + BETWEEN);
    cards[`group ${name}`] = { x: x[3], y, w, h: GROUP };
    cards[`outbox ${name}`] = { x: x[2], y, w, h: GROUP };
    pipes.push(across("bus", `group ${name}`, cards, "saga"), across(`group ${name}`, `outbox ${name}`, cards, "saga"));
    pipes.push(pipe(`outbox ${name}`, "commands", "saga", backUp(cards[`outbox ${name}`], cards.commands)));
  });
  readers.forEach((name, at) => {
    cards[`group ${name}`] = { x: x[3], y: readTop + at * (GROUP + BETWEEN) + (readHigh - stacked(readers.length, GROUP)) / 2, w, h: GROUP };
    pipes.push(across("bus", `group ${name}`, cards, "read"), pipe(`group ${name}`, "rows", "read", joining(cards[`group ${name}`], cards.rows)));
  });
  pipes.push(across("rows", "gateway", cards, "read"), across("gateway", "clients", cards, "read"));

  const lanes = [{ title: "What is written", kind: "write", x: x[1], y: 0 }, { title: "What is read", kind: "read", x: x[1], y: readTop - TITLE }];
  if (sagas.length) lanes.push({ title: "What follows from it", kind: "saga", x: x[2], y: sagaTop - TITLE });
  return { width, height, isNarrow: false, cards, pipes, lanes };
}

const pipe = (from, to, kind, { d, end, turn }) => ({ id: `${from} > ${to}`, from, to, kind, d, end, turn });

// a straight pipe at the height of the lower-standing of the two
function across(from, to, cards, kind) {
  const a = cards[from];
  const b = cards[to];
  const y = a.h < b.h ? middle(a) : middle(b);
  const right = b.x > a.x;
  const [x1, x2] = right ? [a.x + a.w, b.x] : [a.x, b.x + b.w];
  return pipe(from, to, kind, { d: `M${x1} ${y}H${x2}`, end: [x2, y], turn: right ? 0 : 180 });
}

// several projectors into one database
function joining(a, b) {
  const [x1, y1, x2] = [a.x, middle(a), b.x + b.w];
  const y2 = Math.min(b.y + b.h - 14, Math.max(b.y + 14, y1));
  const half = (x1 + x2) / 2;
  return { d: y1 === y2 ? `M${x1} ${y1}H${x2}` : `M${x1} ${y1}C${half} ${y1} ${half} ${y2} ${x2} ${y2}`, end: [x2, y2], turn: 180 };
}

// from the left of a card to the foot of one that stands higher
function backUp(a, b) {
  const [x, y, foot, bend] = [b.x + b.w / 2, middle(a), b.y + b.h, 22];
  return { d: `M${a.x} ${y}H${x + bend}Q${x} ${y} ${x} ${y - bend}V${foot}`, end: [x, foot], turn: -90 };
}

function narrow(width, sagas, readers) {
  const gutter = sagas.length || readers.length > 1 ? 20 : 0;
  const [x, w] = [gutter, width - 2 * gutter];
  const step = 30;
  const cards = {};
  const pipes = [];
  let y = 0;
  const place = (id, h) => {
    cards[id] = { x, y, w, h };
    y += h + step;
  };
  const down = (from, to, kind) => {
    const at = width / 2;
    pipes.push(pipe(from, to, kind, { d: `M${at} ${cards[from].y + cards[from].h}V${cards[to].y}`, end: [at, cards[to].y], turn: 90 }));
  };

  for (const id of ["clients", "commands", "store", "relay"]) place(id, LONG);
  place("bus", LONG_GROUP);
  for (const [from, to] of [["clients", "commands"], ["commands", "store"], ["store", "relay"], ["relay", "bus"]]) down(from, to, "write");

  let before = "bus";
  for (const name of sagas) {
    place(`group ${name}`, LONG_GROUP);
    place(`outbox ${name}`, LONG);
    if (before === "bus") down("bus", `group ${name}`, "saga");
    else pipes.push(pipe("bus", `group ${name}`, "saga", past(cards.bus, cards[`group ${name}`], width - 9)));
    down(`group ${name}`, `outbox ${name}`, "saga");
    pipes.push(pipe(`outbox ${name}`, "commands", "saga", along(cards[`outbox ${name}`], cards.commands, 9)));
    before = `outbox ${name}`;
  }
  for (const name of readers) {
    place(`group ${name}`, LONG_GROUP);
    if (before === "bus") down("bus", `group ${name}`, "read");
    else pipes.push(pipe("bus", `group ${name}`, "read", past(cards.bus, cards[`group ${name}`], width - 9)));
    before = "";
  }
  place("rows", LONG);
  place("gateway", LONG);
  readers.forEach((name, at) => {
    const id = `group ${name}`;
    if (at === readers.length - 1) down(id, "rows", "read");
    else pipes.push(pipe(id, "rows", "read", along(cards[id], cards.rows, 9)));
  });
  down("rows", "gateway", "read");
  place("back", 84);
  down("gateway", "back", "read");
  return { width, height: y - step, isNarrow: true, cards, pipes, lanes: [] };
}

// out at the right, down, and in at the right again
function past(a, b, x) {
  const [y1, y2, bend] = [a.y + a.h - 24, middle(b), 9];
  const [x1, x2] = [a.x + a.w, b.x + b.w];
  return { d: `M${x1} ${y1}H${x - bend}Q${x} ${y1} ${x} ${y1 + bend}V${y2 - bend}Q${x} ${y2} ${x - bend} ${y2}H${x2}`, end: [x2, y2], turn: 180 };
}

// out at the left, up or down, and in at the left again
function along(a, b, x) {
  const [y1, y2, bend] = [middle(a), middle(b), 9];
  const turned = y2 < y1 ? -bend : bend;
  return { d: `M${a.x} ${y1}H${x + bend}Q${x} ${y1} ${x} ${y1 + turned}V${y2 - turned}Q${x} ${y2} ${x + bend} ${y2}H${b.x}`, end: [b.x, y2], turn: 0 };
}
