// Opens views while the server answers nothing yet but what the app is: each says that it loads, and shows what is there as soon as it may.
//
// VIEWS: which, with spaces between
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { DESKTOP, settled, story, url, WAIT_MS, watch } from "./visiting.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// answers of the admin endpoint and messages of the gateway wait until it is opened
async function gate(page) {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  await page.route(
    (to) => to.pathname.startsWith("/admin/") && to.pathname !== "/admin/model",
    async (route) => {
      await opened;
      await route.continue();
    },
  );
  await page.routeWebSocket(/\/graphql$/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((message) => opened.then(() => socket.send(message)));
  });
  return open;
}

await story(async (browser, report) => {
  Object.assign(report, { said: {}, axe: {}, then: {} });
  for (const view of process.env.VIEWS.split(" ")) {
    const context = await browser.newContext({ viewport: DESKTOP, reducedMotion: "reduce" });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    await watch(page);
    const open = await gate(page);
    await page.goto(`${url}/#/${view}`);
    await page.locator("main h1").first().waitFor();
    const loading = page.locator("main .loading[role=status]").first();
    await loading.waitFor();
    report.said[view] = await loading.innerText();
    await page.evaluate(AXE);
    report.axe[view] = (await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }))).violations.map(({ id }) => id);
    open();
    await settled(page);
    report.then[view] = await page.locator("main").innerText();
    await context.close();
  }
});
