// Drives GraphiQL in Chromium as a visitor would: a query, a live view that another page's mutation changes, refusals, the docs.
//
// URL of the page, CHROMIUM and CHROMIUM_FLAGS, SHOTS (a folder for screenshots), SCHEME (light or dark), INPUT (the mutation's variables; without, it only opens the page)
import { chromium } from "playwright-core";

const { URL: url, CHROMIUM, CHROMIUM_FLAGS, SHOTS, SCHEME = "light", INPUT } = process.env;
const report = { console: [], foreign: [], failed: [], sockets: [] };
const browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS.split(" "), headless: true });
const context = await browser.newContext({ colorScheme: SCHEME, viewport: { width: 1360, height: 800 } });

async function open() {
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("console", (message) => message.type() === "error" && report.console.push(message.text()));
  page.on("pageerror", (error) => report.console.push(String(error)));
  page.on("requestfailed", (request) => report.failed.push(`${request.url()} ${request.failure()?.errorText}`));
  page.on("request", (request) => {
    const to = request.url();
    if (!to.startsWith("data:") && new URL(to).host !== new URL(url).host) report.foreign.push(to);
  });
  page.on("websocket", (socket) => report.sockets.push(socket.url()));
  await page.goto(url);
  await page.locator(".graphiql-container").waitFor();
  return page;
}

const tab = (page, name) => page.getByRole("button", { name, exact: true }).click();
const run = (page) => page.locator(".graphiql-execute-button").click();
const shown = (page) => page.evaluate(() => document.querySelector(".result-window .CodeMirror")?.CodeMirror.getValue() ?? "");
const shot = (page, name) => page.screenshot({ path: `${SHOTS}/${SCHEME}-${name}.png` });

async function edit(page, editor, text) {
  await page.evaluate(
    ([number, value]) => document.querySelectorAll(".graphiql-editor-tool .CodeMirror")[number].CodeMirror.setValue(value),
    [["Variables", "Headers"].indexOf(editor), text],
  );
}

async function until(page, text) {
  const late = Date.now() + 20_000;
  for (;;) {
    const said = await shown(page);
    if (said.includes(text)) return said;
    if (Date.now() > late) throw new Error(`no ${JSON.stringify(text)} in the response pane: ${said}`);
    await page.waitForTimeout(50);
  }
}

const watching = await open();
report.title = await watching.title();
report.tabs = await watching.locator(".graphiql-tab-button").allTextContents();
await shot(watching, "start");
report.variables = await watching.evaluate(() => document.querySelector(".graphiql-editor-tool .CodeMirror").CodeMirror.getValue());
report.background = await watching.evaluate(() => getComputedStyle(document.querySelector(".graphiql-container")).backgroundColor);
if (!INPUT) {
  await browser.close();
  console.log(JSON.stringify(report));
  process.exit(0);
}
await run(watching);
report.snapshot = JSON.parse(await until(watching, '"snapshot": true'));

const buying = await open();
await tab(buying, "PlaceOrder");
await buying.waitForTimeout(500);
await edit(buying, "Variables", INPUT);
await run(buying);
report.mutation = JSON.parse(await until(buying, '"token"'));
await shot(buying, "mutation");

report.update = JSON.parse(await until(watching, '"snapshot": false'));
await shot(watching, "live");

await run(buying); // the same again: the business rule says no
report.refused = JSON.parse(await until(buying, '"errors"'));
await shot(buying, "refused");

await tab(buying, report.tabs.at(-1));
await buying.waitForTimeout(500); // GraphiQL takes in a tab's operations with a delay
await run(buying);
report.query = JSON.parse(await until(buying, '"data"'));

// a reload keeps the tabs, and is signed in
await buying.reload();
await buying.locator(".graphiql-container").waitFor();
report.tabsAfterReload = await buying.locator(".graphiql-tab-button").allTextContents();
await buying.waitForTimeout(500);
await run(buying);
report.queryAfterReload = JSON.parse(await until(buying, '"data"'));

await buying.locator('[aria-label="Show Documentation Explorer"]').click();
await buying.locator(".graphiql-doc-explorer").waitFor();
report.docs = (await buying.locator(".graphiql-doc-explorer").innerText()).slice(0, 400);
await shot(buying, "docs");
await buying.locator('[aria-label="Open settings dialog"]').click();
await buying.locator(".graphiql-dialog").waitFor();
await shot(buying, "settings");
await buying.keyboard.press("Escape");

// a token that is not ours: told once, in words, and not tried again and again
report.socketsBefore = report.sockets.length;
const stranger = await open();
await tab(stranger, report.tabs[0]);
await stranger.waitForTimeout(500);
await stranger.locator(".graphiql-editor-tools button", { hasText: "Headers" }).click();
await edit(stranger, "Headers", '{"Authorization": "Bearer bad.bad.bad"}');
await stranger.waitForTimeout(500);
await run(stranger);
report.stranger = await until(stranger, "closed the connection");
await stranger.waitForTimeout(3000);
report.strangerSockets = report.sockets.length - report.socketsBefore;
await shot(stranger, "stranger");

await browser.close();
console.log(JSON.stringify(report));
