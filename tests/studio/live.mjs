// Watches rows and the flow while somebody else writes, loses the server, and has it back; nothing is loaded anew.
//
// It asks the test to KILL and to START the server.
import { ask, expecting, order, seen, story, until, visit } from "./visiting.mjs";

const isAway = async (page) => (await page.locator("body").innerText()).includes("reconnecting");
const count = (rows, name) => rows.getByRole("row").filter({ hasText: name }).count();

await story(async (browser, report) => {
  const rows = await visit(browser, "#/rows/ticket");
  const flow = await visit(browser, "#/flow");
  for (const page of [rows, flow]) await page.evaluate(() => (window.here = "since the start")); // a reload would forget it

  // another client's command: the row comes and changes by itself
  report.before = await count(rows, "live-1");
  await order("live-1");
  await until("the row is there", () => count(rows, "live-1"));
  await until("it is sold", async () => (await rows.getByRole("row").filter({ hasText: "live-1" }).innerText()).includes("sold"));
  report.row = await rows.getByRole("row").filter({ hasText: "live-1" }).innerText();

  // a figure moves
  const commands = () => seen(flow);
  report.flowBefore = await commands();
  await order("live-2");
  await until("the flow moves", async () => (await commands()) !== report.flowBefore);

  // the server is killed: the page says so and keeps what it has
  expecting((text) => /ERR_CONNECTION|WebSocket|Failed to load resource|Failed to fetch|net::/.test(text));
  await ask("KILL");
  for (const page of [rows, flow]) await until("it says that the server is away", () => isAway(page));
  report.kept = await count(rows, "live-1");
  await ask("START"); // the test writes live-3 meanwhile
  await until("the page is live again", async () => (await count(rows, "live-3")) && !(await isAway(rows)));
  await until("the flow is live again", async () => !(await isAway(flow)));
  expecting(() => false);
  await order("live-4");
  await until("and goes on", () => count(rows, "live-4"));
  report.rows = await Promise.all(["live-1", "live-2", "live-3", "live-4"].map((name) => count(rows, name)));
  report.reloaded = await Promise.all([rows, flow].map((page) => page.evaluate(() => window.here)));
});
