// Opens every view, light and dark, on a desk and on a phone, and asks axe-core what it finds: everything once on either, and then
// whatever may differ by theme.
//
// VIEWS: which, with spaces between (default: all)
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { DESKTOP, go, PHONE, story, VIEWS, visit } from "./visiting.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const THEMES = ["light", "dark"];
const SIZES = { desk: DESKTOP, phone: PHONE };
const views = process.env.VIEWS?.split(" ") ?? VIEWS;

async function found(page, runOnly) {
  const { violations } = await page.evaluate((only) => globalThis.axe.run(document, { runOnly: only, resultTypes: ["violations"] }), runOnly);
  return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
}

await story(async (browser, report) => {
  Object.assign(report, { titles: {}, landmarks: {}, axe: {}, wide: {} });
  for (const [name, viewport] of Object.entries(SIZES)) {
    const page = await visit(browser, `#/${views[0]}`, { viewport, colorScheme: "light", reducedMotion: "reduce" });
    await page.evaluate(AXE);
    for (const view of views) {
      await go(page, `#/${view}`);
      for (const [number, colorScheme] of THEMES.entries()) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        report.axe[`${view} ${name} ${colorScheme}`] = await found(page, number === 0 ? TAGS : { type: "rule", values: ["color-contrast"] });
      }
      await page.emulateMedia({ colorScheme: THEMES[0], reducedMotion: "reduce" });
      report.wide[`${view} ${name}`] = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      report.titles[view] = await page.title();
      report.landmarks[view] = await page.evaluate(() =>
        ["body > * > header, body > header", "nav[aria-label=Views]", "main", "main h1"].map((one) => document.querySelectorAll(one).length),
      );
    }
  }
});
