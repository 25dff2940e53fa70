// A Chromium for several programs: says where it is, and ends when its input does.
//
// CHROMIUM and CHROMIUM_FLAGS
import { chromium } from "playwright-core";

const { CHROMIUM, CHROMIUM_FLAGS } = process.env;
const server = await chromium.launchServer({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS.split(" "), headless: true });
console.log(JSON.stringify({ endpoint: server.wsEndpoint() }));
process.stdin.resume();
process.stdin.on("end", async () => {
  await server.close();
  process.exit(0);
});
