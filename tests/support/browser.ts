/** Chromium without a screen, for tests of pages. */
import { type Browser, chromium } from "playwright-core";

const PATH = "/usr/bin/chromium";
const FLAGS = [
  // Chromium's sandbox does not work for root, which is who runs CI.
  "--no-sandbox",
  // Containers often have little of it.
  "--disable-dev-shm-usage",
];

/** Starts one; the caller closes it. */
export async function launchBrowser(): Promise<Browser> {
  return await chromium.launch({ executablePath: PATH, args: FLAGS });
}
