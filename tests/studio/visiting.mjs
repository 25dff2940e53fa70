// What every story does: opens pages, notes what should not happen, waits for what should, and prints one line of JSON in the end.
//
// URL of the studio, BROWSER (the endpoint of a running Chromium), SHOTS (a folder for pictures of what went wrong)
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

export const { URL: url, SHOTS } = process.env;
export const WAIT_MS = 30_000;
export const DESKTOP = { width: 1360, height: 850 };
export const PHONE = { width: 360, height: 740 };
export const VIEWS = ["flow", "streams", "rows", "board", "charts", "letters", "sagas", "rebuilds", "try"];
const noted = { console: [], foreign: [], failed: [], violations: [] };
let expected = () => false; // console errors and failed requests that belong to the story

export const expecting = (test) => (expected = test);

/** A page in a context of its own. */
export async function visit(browser, hash = "", { viewport = DESKTOP, ...options } = {}) {
  const context = await browser.newContext({ viewport, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  await watch(page);
  await page.goto(url + "/" + hash);
  await settled(page);
  return page;
}

export async function watch(page) {
  const note = (kind, text) => expected(text) || noted[kind].push(text);
  page.on("console", (message) => message.type() === "error" && note("console", `${message.text()} ${message.location().url}`));
  page.on("pageerror", (error) => note("console", String(error)));
  page.on("requestfailed", (request) => note("failed", `${request.url()} ${request.failure()?.errorText}`));
  page.on("response", (answer) => answer.status() >= 400 && note("failed", `${answer.url()} ${answer.status()}`));
  page.on("request", (request) => {
    const to = request.url();
    if (!to.startsWith("data:") && new URL(to).host !== new URL(url).host) note("foreign", to);
  });
  await page.exposeFunction("violated", (text) => note("violations", text));
  await page.addInitScript(() =>
    document.addEventListener("securitypolicyviolation", (event) => window.violated(`${event.violatedDirective} ${event.blockedURI}`)),
  );
}

/** Until the page shows a view with its heading, and nothing in it says that it is loading. */
export async function settled(page) {
  await page.locator("main h1").first().waitFor();
  await page.locator("main .loading").first().waitFor({ state: "detached" });
}

/** Another view, by its address. */
export async function go(page, hash) {
  await page.evaluate((to) => (location.hash = to), hash);
  await settled(page);
}

/** The first true answer of `look`. */
export async function until(what, look, wait = WAIT_MS) {
  const late = Date.now() + wait;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > late) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What the person sees of the view, as text. */
export const seen = (page) => page.locator("main").innerText();
export const sees = (page, text) => until(`main shows ${text}`, async () => (await seen(page)).includes(text)).then(() => seen(page));

/** Another client of the same server, which no page knows of. */
export async function command(type, fields) {
  const answer = await fetch(`${url}/commands`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ type, ...fields }),
  });
  if (!answer.ok) throw new Error(`${type}: ${await answer.text()}`);
  return answer.json();
}

export const order = (name, more = {}) =>
  command("PlaceOrder", { order: name, customer: "ann", sku: "tea", quantity: 1, amount: 500, at: "2026-01-31T12:00:00Z", ...more });

export const admin = (path) => fetch(`${url}/admin/${path}`).then((answer) => answer.json());

let answers;

/** Has the test do something, which it knows by this name. */
export async function ask(what) {
  answers ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  console.log(what);
  await answers.next();
}

/** Connects, tells the story with (browser, report), and reports; a story that breaks leaves a picture of each page. */
export async function story(tell) {
  const browser = await chromium.connect(process.env.BROWSER);
  const report = {};
  try {
    await tell(browser, report);
  } catch (error) {
    for (const [number, page] of browser.contexts().flatMap((context) => context.pages()).entries()) {
      await page.screenshot({ path: `${SHOTS}/broken-${number}.png` }).catch(() => {});
      console.error(`page ${number}: ${page.url()}\n${await seen(page).catch(() => "nothing")}`);
    }
    console.error(JSON.stringify(noted));
    throw error;
  } finally {
    for (const context of browser.contexts()) await context.close();
    await browser.close();
  }
  console.log(JSON.stringify({ ...report, ...noted }));
  process.stdin.destroy();
}
