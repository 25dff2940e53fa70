// Tries again what is parked and what is stuck, before and after the code is mended, and makes rows anew.
//
// It asks the test to MEND the code. JAMMED and REFUSED are the orders.
import { admin, ask, expecting, go, order, seen, sees, settled, story, until, visit } from "./visiting.mjs";

const { JAMMED, REFUSED } = process.env;

await story(async (browser, report) => {
  const page = await visit(browser, "#/letters");
  const button = (name) => page.getByRole("button", { name, exact: true });
  report.letter = await sees(page, `order-${JAMMED}@1`);
  await page.getByRole("listitem").filter({ hasText: JAMMED }).locator("summary").click();
  report.event = await page.getByLabel("Data of the event").innerText();

  expecting((text) => /operate\/redrive/.test(text)); // the refusal is the point here
  await button(`Redrive order-${JAMMED} for label`).click();
  report.stillJammed = await sees(page, "still cannot");
  expecting(() => false);
  report.parked = (await admin("letters")).letters.length;

  await go(page, "#/sagas");
  await sees(page, REFUSED);
  const stuck = async () => (await admin("sagas")).counts.stuck;
  report.saga = await page.getByRole("listitem").filter({ hasText: REFUSED }).first().innerText();
  report.counted = await page.getByRole("group", { name: "Which sagas" }).innerText();
  await page.getByRole("button", { name: /^\d+\s*Waiting/ }).click();
  report.waiting = await until("only those that wait", async () => {
    await settled(page);
    const text = await seen(page);
    return !text.includes(REFUSED) && !text.includes("Loading") && text;
  });
  await page.getByRole("button", { name: /^\d+\s*Stuck/ }).click();
  await sees(page, REFUSED);

  await ask("MEND");
  await page.getByRole("button", { name: /^Try again/ }).click();
  report.again = await sees(page, "again.");
  await until("it is no longer stuck", async () => (await stuck()) === 0);
  await sees(page, "No saga is stuck");

  await go(page, "#/letters");
  await button(`Redrive order-${JAMMED} for label`).click();
  report.redriven = await sees(page, "Nothing is parked");
  report.letters = (await admin("letters")).letters;

  // rows made anew: filled, compared, swapped, the old ones dropped, while somebody writes and reads
  await go(page, "#/rebuilds");
  const rows = page.getByRole("region", { name: /^rows/ });
  const press = (name) => rows.getByRole("button", { name, exact: true }).click();
  const now = async () => (await admin("rebuilds")).groups.find(({ group }) => group === "rows");
  report.before = await now();
  await press("Start");
  await until("it is filled", async () => (await rows.getByText("filled, not yet live").count()) === 1);
  report.filled = await now();
  await press("Compare");
  report.compared = await until("it is compared", async () => (await rows.getByRole("region", { name: "Comparison" }).innerText()).includes("same rows") && rows.innerText());
  await order("meanwhile");
  await until("the new rows are there, too", async () => {
    const { streams, streams_done } = await now();
    return streams === streams_done;
  });
  await press("Swap");
  await until("it took over", async () => (await now()).live === 2);
  report.swapped = await until("the page says so", async () => /Generation 2\s+live/.test(await rows.innerText()) && rows.innerText());
  await order("after");
  const reading = await visit(browser, "#/rows/label");
  await sees(reading, "after");
  report.read = await seen(reading);
  await until("Finish is offered", () => rows.getByRole("button", { name: "Finish", exact: true }).isEnabled());
  expecting((text) => /operate\/rebuild/.test(text)); // while somebody still reads the old rows it is refused
  await until("the old rows are gone", async () => {
    const finish = rows.getByRole("button", { name: "Finish", exact: true });
    if (await finish.isEnabled()) await finish.click();
    return (await now()).generations.length === 1;
  });
  report.after = await now();
});
