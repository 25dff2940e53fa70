// Fills in a command's form: wrong in a field, right, and refused; then its way from hop to hop.
//
// ORDER (an id that nobody has used)
import { admin, expecting, order, seen, sees, settled, story, until, visit } from "./visiting.mjs";

const { ORDER } = process.env;
const HOPS = ["command", "append", "relay", "project rows", "project selling", "project posting"];

await story(async (browser, report) => {
  await order("earlier"); // the form begins with what was really said
  const page = await visit(browser, "#/try/PlaceOrder");
  const field = (name) => page.locator(`main form [name="${name}"]`);
  const send = () => page.locator("main form button[type=submit]").click();
  const typed = () => page.locator("main form [name]").evaluateAll((inputs) => Object.fromEntries(inputs.map((input) => [input.name, input.value])));

  await until("the form is filled with values of an event", async () => (await field("customer").inputValue()) === "ann");
  await until("of that event", async () => (await field("amount").inputValue()) === "500");
  await field("order").fill(ORDER);
  await field("quantity").fill("0");
  await send();
  await until("a problem at the field", async () => (await field("quantity").getAttribute("aria-invalid")) === "true");
  const described = await field("quantity").getAttribute("aria-describedby");
  report.fieldError = await page.evaluate((ids) => ids.split(" ").map((id) => document.getElementById(id).textContent).join(" "), described);
  report.wrong = await page.locator("main form [aria-invalid=true]").evaluateAll((inputs) => inputs.map((input) => input.name));
  report.focused = await page.evaluate(() => document.activeElement.name);
  report.kept = await typed();

  await field("quantity").fill("2");
  await page.keyboard.press("Enter"); // as somebody at a keyboard does
  report.done = await sees(page, `order-${ORDER}@1`);
  report.stored = await admin(`stream?name=order-${ORDER}&limit=1`);

  // its way, hop by hop
  await page.getByRole("status").getByRole("link", { name: "its way, hop by hop" }).click();
  await settled(page);
  const hops = page.getByRole("region", { name: "From hop to hop" }).getByRole("listitem");
  report.hops = await until("all its hops are there", async () => {
    const told = await hops.allInnerTexts();
    return HOPS.every((hop) => told.some((line) => line.startsWith(hop))) && told;
  });
  report.trace = await admin(`traces?token=order-${ORDER}@1`);
  report.traceTitle = await page.locator("h1").innerText();
  await page.goBack();
  await settled(page);

  // the same order again is refused by the business rules; nothing that was typed is lost
  await until("the form is as it was", async () => (await field("order").inputValue()) === ORDER);
  await send();
  report.refused = await sees(page, "is already placed");
  report.keptAgain = await typed();

  // not ours to send, and what has no form
  await field("customer").fill("bob");
  await field("order").fill(`${ORDER}-of-bob`);
  await send();
  report.forbidden = await sees(page, "FORBIDDEN");

  // every kind of field
  await page.goto(page.url().replace("PlaceOrder", "Post"));
  await settled(page);
  await until("the form of Post", async () => (await field("speed").count()) === 1);
  await until("its values", async () => (await field("order").inputValue()) !== "");
  report.inputs = await page.locator("main form [name]").evaluateAll((inputs) => inputs.map((input) => `${input.name} ${input.tagName === "INPUT" ? input.type : input.tagName.toLowerCase()}`));
  await field("order").fill(`${ORDER}-parcel`);
  await field("weight").fill("1.25");
  await field("speed").selectOption("express");
  await field("pieces").fill("2");
  await field("fragile").check();
  await field("stamps").fill("[1, 2]");
  await send();
  await sees(page, `parcel-${ORDER}-parcel@1`);
  report.parcel = (await admin(`stream?name=parcel-${ORDER}-parcel`)).events[0].data;

  // a trace that is not kept says so
  expecting((text) => text.includes("order-nobody"));
  await page.goto(`${page.url().split("#")[0]}#/flow/order-nobody@1`);
  report.untraced = await until("it says so", async () => (await seen(page)).includes("not kept") && seen(page));
});
