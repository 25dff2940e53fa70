// Reads the departure board and the tables of the charts, of a day of flights that is over.
import { story, until, visit } from "./visiting.mjs";

const BACK = 9; // steps of two hours

const text = (cell) => cell.evaluate((one) => (one.querySelector(".unseen") ?? one).textContent);

await story(async (browser, report) => {
  const page = await visit(browser, "#/board", { reducedMotion: "reduce" });
  const lines = page.locator("main tbody tr:not([aria-hidden])");
  report.homes = await page.getByRole("group", { name: "Airport" }).getByRole("button").allInnerTexts();
  await page.getByRole("button", { name: "LGA" }).click();
  for (let step = 0; step < BACK; step += 1) await page.getByRole("button", { name: "−2 h" }).click();
  report.clock = await page.locator("main time").first().getAttribute("datetime");
  await until("the board is full", async () => (await lines.count()) > 7);
  report.board = [];
  for (const line of await lines.all()) report.board.push(await Promise.all((await line.locator("th, td").all()).map(text)));

  const charts = await visit(browser, "#/charts");
  report.charts = {};
  for (const title of ["Flights a day", "Mean departure delay by carrier", "Mean departure delay by hour of the day"]) {
    const chart = charts.getByRole("region", { name: title, exact: true });
    await chart.getByText("Values as a table").click();
    const rows = chart.locator("tbody tr");
    await until(`${title} has values`, () => rows.count());
    report.charts[title] = await rows.evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.textContent)));
  }
});
