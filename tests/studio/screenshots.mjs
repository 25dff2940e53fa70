// Takes the pictures of README and docs: flights while they fly, and a shop in which things go wrong.
//
// FLIGHTS, NOON and SHOP (where they run), LAST (the last day of the flights), PICTURES (the names), TO (a folder), CHROMIUM, CHROMIUM_FLAGS
import { writeFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { FLIGHTS, NOON, SHOP, LAST, TO, PICTURES, CHROMIUM, CHROMIUM_FLAGS } = process.env;
const LATE_MS = 300_000;
const DESK = { width: 1280, height: 800 };
const LOW = { width: 1280, height: 420 };
const BOARD = { width: 1180, height: 720 };
const PHONE = { width: 360, height: 740 };
const wanted = new Set(PICTURES.split(" "));
const browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS.split(" "), headless: true });

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const admin = (at, path) => fetch(`${at}/admin/${path}`).then((answer) => answer.json());

async function until(what, look) {
  for (const late = Date.now() + LATE_MS; ; await pause(100)) {
    if (await look()) return;
    if (Date.now() > late) throw new Error(`never: ${what}`);
  }
}

// whether the replay is past an instant; before it begins, the clock is that of today
async function past(instant) {
  const { clock } = await admin(FLIGHTS, "flow");
  return clock >= instant && clock < "2014";
}

async function open(at, hash, { viewport = DESK, colorScheme = "light" } = {}) {
  const page = await (await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce" })).newPage();
  page.setDefaultTimeout(LATE_MS);
  await page.goto(`${at}/#/${hash}`);
  await page.locator("main h1").first().waitFor();
  await page.locator("main .loading").first().waitFor({ state: "detached" });
  await page.evaluate(() => document.fonts.ready);
  return page;
}

function keep(name, picture) {
  if (!wanted.delete(name)) throw new Error(`nobody wants a picture ${name}`);
  writeFileSync(`${TO}/${name}.png`, picture);
}

async function take(name, page, { whole = false } = {}) {
  await page.mouse.move(0, 0);
  keep(name, await page.screenshot({ animations: "disabled", fullPage: whole }));
  await page.context().close();
}

async function send(command) {
  const answer = await fetch(`${SHOP}/commands`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(command) });
  if (!answer.ok) throw new Error(await answer.text());
}

// --- a shop with some traffic: what is sold, what is out of stock or too dear, what jams the printer, what the post refuses

const SKUS = ["tea", "coffee", "rope", "sail", "lamp"];
const START = Date.parse("2026-01-31T12:00:00Z");
let orders = 0;

async function buy(sku, amount, name = `o-${1000 + orders}`) {
  const at = new Date(START + (orders % 90) * 20_000).toISOString();
  orders += 1;
  await send({ type: "PlaceOrder", order: name, customer: "ann", sku, quantity: 1 + (orders % 3), amount, at });
  return name;
}

for (const sku of [...SKUS, "jam", "anvil"]) await send({ type: "Restock", sku, quantity: 60 });
for (let n = 0; n < 60; n += 1) await buy(SKUS[n % SKUS.length], 400 + ((n * 337) % 90_000));
await buy("jam", 700, "o-jam-1");
await buy("jam", 700, "o-jam-2");
await buy("anvil", 9_900, "o-anvil");
const dear = await buy("sail", 250_000, "o-dear"); // above the credit: what was reserved is given back
await until("the letters are there", async () => (await admin(SHOP, "letters")).letters.length >= 2);
await until("the order is given back", async () => (await admin(SHOP, `chain?name=order-${dear}&version=1`)).nodes.length >= 5);
await until("a saga is stuck", async () => (await admin(SHOP, "sagas")).counts.stuck >= 1);

// --- while the flights fly

const fly = await open(FLIGHTS, "flow");
const dark = await open(FLIGHTS, "flow", { colorScheme: "dark" });
await until("they fly", () => past("2013-01-02T17:00"));
await take("flow-light", fly);
await take("flow-dark", dark);
await take("phone", await open(FLIGHTS, "flow", { viewport: PHONE, colorScheme: "dark" }));

// --- the shop, looked at

const stream = await open(SHOP, `streams/order-${dear}?at=2`);
await stream.getByRole("group", { name: "Picture of the chain" }).getByRole("link").nth(4).waitFor();
await take("stream", stream, { whole: true });
await take("letters", await open(SHOP, "letters", { viewport: LOW }));
await take("sagas", await open(SHOP, "sagas"));

// a command sent from its form, wrong first, and its way
const form = await open(SHOP, "try/PlaceOrder");
const field = (name) => form.locator(`main form [name="${name}"]`);
const submit = () => form.locator("main form button[type=submit]").click();
await until("the form is filled", async () => (await field("customer").inputValue()) === "ann");
await field("order").fill("o-2000");
await field("sku").fill("tea");
await field("quantity").fill("0");
await submit();
await form.locator("main form [aria-invalid=true]").waitFor();
const wrong = await form.screenshot({ animations: "disabled", clip: { x: 0, y: 0, width: DESK.width, height: 660 } });
await field("quantity").fill("2");
await submit();
await form.getByRole("status").getByRole("link", { name: "its way, hop by hop" }).click();
await form.getByText("project rows", { exact: true }).waitFor();
await pause(2_500); // the newest hops are asked for once a second
await take("trace", form, { whole: true });
keep("try", wrong);

// new rows beside the live ones
const rebuilds = await open(SHOP, "rebuilds");
const rows = rebuilds.getByRole("region", { name: /^rows/ });
await rows.getByRole("button", { name: "Start", exact: true }).click();
await rows.getByText("filled, not yet live").waitFor();
await rows.getByRole("button", { name: "Compare", exact: true }).click();
await rows.getByRole("region", { name: "Comparison" }).waitFor();
await take("rebuilds", rebuilds);

// --- when the week is over

await until("the last day", () => past(LAST));
const table = await open(FLIGHTS, "rows/board");
await until("the rows are counted", async () => /[1-9][\d,]* rows/.test(await table.locator("main").innerText()));
await take("rows", table);
await take("charts", await open(FLIGHTS, "charts"));

const board = await open(NOON, "board", { colorScheme: "dark", viewport: BOARD });
await until("the board is full", () => board.evaluate(() => document.querySelectorAll("main tbody tr:not([aria-hidden])").length > 7));
await take("board", board);

await browser.close();
if (wanted.size) throw new Error(`no picture of ${[...wanted].join(", ")}`);
console.log(JSON.stringify({ taken: PICTURES.split(" ").length }));
