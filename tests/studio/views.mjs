// Opens every view, light and dark, on a desk and on a phone, and asks axe-core what it finds.
//
// VIEWS: which, with spaces between (default: all)
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { DESKTOP, go, PHONE, story, VIEWS, visit } from "./visiting.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const views = process.env.VIEWS?.split(" ") ?? VIEWS;

async function found(page) {
  const { violations } = await page.evaluate((tags) => globalThis.axe.run(document, { runOnly: tags, resultTypes: ["violations"] }), TAGS);
  return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
}

await story(async (browser, report) => {
  Object.assign(report, { titles: {}, landmarks: {}, axe: {}, wide: {} });
  for (const colorScheme of ["light", "dark"]) {
    for (const [name, viewport] of Object.entries({ desk: DESKTOP, phone: PHONE })) {
      const page = await visit(browser, `#/${views[0]}`, { viewport, colorScheme });
      await page.evaluate(AXE);
      for (const view of views) {
        await go(page, `#/${view}`);
        const key = `${view} ${name} ${colorScheme}`;
        report.axe[key] = await found(page);
        report.wide[key] = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        report.titles[view] = await page.title();
        report.landmarks[view] = await page.evaluate(() => ["header", "nav", "main", "main h1"].map((one) => document.querySelectorAll(one).length));
      }
      await page.context().close();
    }
  }
});
