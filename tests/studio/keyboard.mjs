// Walks every view with the Tab key alone: what can be reached, what shows that it is, and what moves for somebody who wants no motion.
import { go, story, VIEWS, visit } from "./visiting.mjs";

const STEPS = 150;
const views = process.env.VIEWS?.split(" ") ?? VIEWS;

// what a mouse can work, by a mark each; of a group of radio buttons one is reached by Tab, the others by arrows
const mark = () => {
  const radios = new Set();
  let count = 0;
  for (const one of document.querySelectorAll("main :is(a[href], button, input, select, textarea, summary, [tabindex='0'])")) {
    if (one.disabled || !one.checkVisibility({ visibilityProperty: true })) continue;
    if (one.type === "radio" && (radios.has(one.name) || (!one.checked && document.querySelector(`input[name="${one.name}"]:checked`)))) continue;
    if (one.type === "radio") radios.add(one.name);
    one.dataset.walked = String(++count);
  }
  return count;
};

const stand = () => {
  const one = document.activeElement;
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(one);
  const told = `${one.tagName.toLowerCase()} ${(one.getAttribute("aria-label") || one.name || one.textContent || one.className).trim().slice(0, 40)}`;
  return { walked: one.dataset.walked, body: one === document.body, told, shown: (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none" };
};

async function walk(page) {
  const left = new Set(Array.from({ length: Math.min(await page.evaluate(mark), STEPS - 30) }, (_, n) => String(n + 1)));
  const unseen = [];
  for (let step = 0; step < STEPS && left.size; step += 1) {
    await page.keyboard.press("Tab");
    const here = await page.evaluate(stand);
    if (!here.body && !here.shown) unseen.push(here.told);
    left.delete(here.walked);
  }
  const missed = await page.evaluate((marks) => marks.map((one) => document.querySelector(`[data-walked="${one}"]`)?.outerHTML.slice(0, 120) ?? null), [...left]);
  return { missed: missed.filter((one) => one !== null), unseen }; // what the page itself replaced meanwhile has no mark
}

await story(async (browser, report) => {
  Object.assign(report, { missed: {}, unseen: {}, moving: {} });
  const page = await visit(browser, `#/${views[0]}`, { reducedMotion: "reduce" });
  await page.keyboard.press("Tab");
  report.first = await page.evaluate(() => document.activeElement.textContent);
  await page.keyboard.press("Enter");
  report.skipped = await page.evaluate(() => document.activeElement.id);

  // the navigation, by Tab and Enter alone
  await page.evaluate(() => document.activeElement.blur());
  report.opened = [];
  for (const view of views) {
    await page.locator(`nav a[href="#/${view}"]`).focus();
    await page.keyboard.press("Enter");
    await page.locator(`nav a[href="#/${view}"][aria-current=page]`).waitFor();
    report.opened.push(view);
  }
  for (const view of views) {
    await go(page, `#/${view}`);
    await page.evaluate(() => document.activeElement.blur());
    const { missed, unseen } = await walk(page);
    Object.assign(report.missed, { [view]: missed });
    Object.assign(report.unseen, { [view]: unseen });
    report.moving[view] = await page.evaluate(
      () =>
        document.getAnimations().filter((one) => one.playState === "running" && one.effect.getComputedTiming().duration > 1).length +
        document.querySelectorAll("animate, animateMotion, animateTransform").length,
    );
  }
});
