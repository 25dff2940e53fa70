// The rows view, very full: 100,000 rows in a window, 10,000 all live, a thousand changes a second, while somebody scrolls and sorts.
// Reports long tasks, gaps between frames, rows in the page and the page's CPU time, and whether the newest values are shown in the end.
//
// SECONDS of each phase; the test is asked to MOVE the boats and to let them REST
import { ask, story, until, url, visit } from "./visiting.mjs";

const SECONDS = Number(process.env.SECONDS ?? 8);

// in the page: frames, long tasks and rows, from now on
function watch() {
  const noted = (window.noted = { frames: [], tasks: [], rows: 0, over: false });
  new PerformanceObserver((list) => noted.tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: "longtask" });
  let last = performance.now();
  const frame = (now) => {
    noted.frames.push(now - last);
    last = now;
    noted.rows = Math.max(noted.rows, document.querySelectorAll(".rows-table tbody tr").length);
    if (!noted.over) requestAnimationFrame(frame);
  };
  requestAnimationFrame((now) => ((last = now), requestAnimationFrame(frame)));
}

const read = () => {
  noted.over = true;
  return noted;
};

async function busy(wire) {
  const { metrics } = await wire.send("Performance.getMetrics");
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
}

const part = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

async function phase(page, wire, seconds) {
  await page.evaluate(watch);
  const before = await busy(wire);
  const end = Date.now() + seconds * 1_000;
  await page.locator(".rows-scroll").hover();
  for (let turn = 0; Date.now() < end; turn += 1) {
    await page.mouse.wheel(0, turn % 12 < 9 ? 420 : -1_100);
    await page.waitForTimeout(150);
  }
  const after = await busy(wire);
  const { frames, tasks, rows } = await page.evaluate(read);
  frames.sort((a, b) => a - b);
  const took = after.Timestamp - before.Timestamp;
  return {
    frames: frames.length,
    p50: part(frames, 0.5),
    p99: part(frames, 0.99),
    longest: frames.at(-1),
    tasks: tasks.length,
    longestTask: Math.max(0, ...tasks),
    rows,
    scriptPerS: (after.ScriptDuration - before.ScriptDuration) / seconds,
    taskPerS: (after.TaskDuration - before.TaskDuration) / seconds,
    took,
    status: await page.locator(".rows-status").innerText(),
  };
}

// what the page shows, by boat
const shown = (page) =>
  page.evaluate(() => {
    const titles = [...document.querySelectorAll(".rows-table thead th")].map((each) => each.innerText.replace(/[^a-zA-Z]/g, ""));
    const place = titles.indexOf("sightings");
    return Object.fromEntries([...document.querySelectorAll(".rows-table tbody tr:not(.rows-space):not(.rows-wait)")].map((row) => [row.cells[0].innerText, Number(row.cells[place].innerText)]));
  });

// what the gateway answers for them
async function answered(page, boats) {
  const query = "query ($boats: [String]) { boatRows(where: {boat: {in: $boats}}, first: 200) { nodes { boat sightings } } }";
  const { token } = await page.evaluate(() => JSON.parse(document.getElementById("settings").textContent));
  const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
  const answer = await fetch(`${url}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables: { boats } }) });
  return Object.fromEntries((await answer.json()).data.boatRows.nodes.map(({ boat, sightings }) => [boat, sightings]));
}

async function agrees(page) {
  const now = await shown(page);
  const right = await answered(page, Object.keys(now));
  return Object.keys(now).length > 5 && Object.entries(now).every(([boat, sightings]) => right[boat] === sightings) && now;
}

await story(async (browser, report) => {
  const page = await visit(browser, "#/rows/boat");
  const wire = await page.context().newCDPSession(page);
  await wire.send("Performance.setTimeDomain", { timeDomain: "threadTicks" }).catch(() => {}); // CPU time, whoever else works here
  await wire.send("Performance.enable");
  await page.locator(".rows-note").waitFor();
  await page.locator(".rows-open").first().waitFor();
  await ask("MOVE");
  report.windowed = await phase(page, wire, SECONDS);

  // all of the fleets that move, each row live
  await page.getByRole("button", { name: "+ Filter" }).click();
  await page.getByLabel("field", { exact: true }).selectOption("fleet");
  await page.getByLabel("comparison").selectOption("lt");
  await page.getByLabel("value for fleet").fill(process.env.BELOW ?? "f010");
  await until("all of them are live", async () => !(await page.locator(".rows-note").isVisible()) && /live/.test(await page.locator(".rows-status").innerText()));
  report.live = await phase(page, wire, SECONDS);

  // rows change places all the time
  await page.locator(".rows-sort", { hasText: "knots" }).click();
  await page.locator(".rows-sort", { hasText: "boat" }).click({ modifiers: ["Shift"] });
  report.sorted = await phase(page, wire, SECONDS);

  await ask("REST");
  report.final = Object.keys(await until("the newest values are shown", () => agrees(page))).length;
  await page.locator(".rows-remove").click();
  await page.locator(".rows-note").waitFor();
  report.finalWindowed = Object.keys(await until("the newest values are shown in the window, too", () => agrees(page))).length;
});
