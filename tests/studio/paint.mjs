// Cold loads of the studio: when something is first seen, and how many bytes came before the first view is whole.
//
// LOADS (default 5)
import { settled, story, url, WAIT_MS } from "./visiting.mjs";

await story(async (browser, report) => {
  Object.assign(report, { paints: [], bytes: [], requests: [] });
  for (let load = 0; load < Number(process.env.LOADS ?? 5); load += 1) {
    const context = await browser.newContext(); // nothing kept
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    const wire = await context.newCDPSession(page);
    await wire.send("Network.enable");
    let bytes = 0;
    let requests = 0;
    wire.on("Network.loadingFinished", ({ encodedDataLength }) => ((bytes += encodedDataLength), (requests += 1)));
    await page.goto(`${url}/`);
    await settled(page);
    const paint = await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
    report.paints.push(Math.round(await paint.jsonValue()));
    report.bytes.push(bytes);
    report.requests.push(requests);
    await context.close();
  }
});
