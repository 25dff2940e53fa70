// Finds a stream, winds it back and forth by keyboard, opens the address again somewhere else, and follows who caused what.
//
// ORDER (its id)
import { admin, DESKTOP, go, settled, story, until, url, visit } from "./visiting.mjs";

const { ORDER } = process.env;
const name = `order-${ORDER}`;

// what the page shows of the state just now, without signs and without what was before
const shown = (page) =>
  page.locator("pre[aria-label=State]").evaluate((pre) =>
    [...pre.querySelectorAll(".changes-line:not(.removed) > :is(ins, span:not(.changes-sign, .unseen)), .changes-line.same")]
      .map((line) => line.textContent.trim())
      .join("\n"),
  );

// every name and every plain value of a state
const words = (value) =>
  value !== null && typeof value === "object" ? Object.entries(value).flatMap(([key, inner]) => [...(Array.isArray(value) ? [] : [key]), ...words(inner)]) : [String(value)];

async function at(page, version) {
  const heading = version === 0 ? "to begin with" : `at version ${version}`;
  await page.getByRole("heading", { name: new RegExp(`^State\\s+${heading}$`) }).waitFor();
  const { state } = await admin(`state?name=${name}&at=${version}`);
  const text = await shown(page);
  return { version, at: new URLSearchParams(page.url().split("?")[1]).get("at"), missing: words(state).filter((word) => !text.includes(word)), text };
}

await story(async (browser, report) => {
  const page = await visit(browser, "#/streams");
  await page.getByRole("searchbox").fill(name.slice(0, -1));
  await page.getByRole("region", { name: "Found" }).getByRole("link").first().click();
  await settled(page);
  report.heading = await page.locator("h1").innerText();

  const slider = page.getByRole("slider", { name: "Version" });
  const { version } = await admin(`stream?name=${name}`);
  report.steps = [];
  await slider.focus();
  report.newest = await slider.inputValue();
  await page.keyboard.press("Home");
  report.steps.push(await at(page, 0));
  for (let step = 1; step <= version; step += 1) {
    await page.keyboard.press("ArrowRight");
    report.steps.push(await at(page, step));
    report.said = await slider.getAttribute("aria-valuetext");
  }
  await page.keyboard.press("ArrowLeft");
  report.steps.push(await at(page, version - 1));
  report.events = await page.getByRole("region", { name: "Events" }).innerText();

  // the address tells somebody else the same
  const other = await visit(browser, page.url().slice(url.length + 1), { viewport: DESKTOP });
  report.other = await other.getByRole("slider", { name: "Version" }).inputValue();
  report.otherText = (await at(other, version - 1)).text;

  // who caused what: every event of the chain is drawn, and leads to its stream
  const chain = await admin(`chain?name=${name}&version=1`);
  await go(other, `#/streams/${name}?at=1`);
  const drawn = other.getByRole("group", { name: "Picture of the chain" });
  await until("the chain is drawn", async () => (await drawn.getByRole("link").count()) === chain.nodes.length);
  const labels = await drawn.getByRole("link").evaluateAll((links) => links.map((link) => link.textContent.trim()));
  report.undrawn = chain.nodes.filter((node) => !labels.some((label) => label.replace("↩ ", "") === `${node.type} ${node.id}`)).map((node) => node.id);
  report.types = chain.nodes.map((node) => node.type).sort();
  report.back = labels.filter((label) => label.startsWith("↩ ")).map((label) => label.split(" ")[1]);
  await drawn.getByRole("link", { name: "Restocked" }).click();
  await other.getByRole("heading", { level: 1, name: /^stock-/ }).waitFor();
  report.there = other.url().split("#")[1];

  // what is not there is said
  const nowhere = await fetch(`${url}/admin/stream?name=order-nobody`);
  report.nowhere = nowhere.status;
});
