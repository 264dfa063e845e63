/**
 * Chromium without a screen, as a user has it who trusts an authority of his own, and pages that
 * run the real browser bundle of webtorrent.
 */
import { strict as assert } from "node:assert";
import { type Browser as Chromium, chromium, type Page } from "playwright-core";
import type { Authority } from "../../support/certificates.ts";
import { within } from "../../support/deadline.ts";
import { toHex } from "../../support/packets.ts";

const PATH = "/usr/bin/chromium";
const BUNDLE = "webtorrent@3.0.21";
/** Of dist/webtorrent.min.js in that package. */
const BUNDLE_SHA256 = "db4dca98cd135c732eeffdede3cf5f8febd0585a0eba4dc4d1effa1b901f4c3d";
/** A page may have to come up on a busy machine. */
const DEADLINE_MS = 90_000;
/**
 * webtorrent gives a connection 25 s to come up, another 25 s to shake hands, and a piece 30 s; it
 * lets a new peer download at the next of its turns, which come every 10 s. What fails is tried
 * again at the next announce only. This leaves room for two failures in a row.
 */
const TRANSFER_DEADLINE_MS = 180_000;

const FLAGS = [
  // Chromium's sandbox does not work for root, which is who runs CI.
  "--no-sandbox",
  // Pages otherwise name themselves to each other by mDNS, and CI has no network to ask on.
  "--disable-features=WebRtcHideLocalIpsWithMdns",
  // Containers often have little of it.
  "--disable-dev-shm-usage",
];

/** What runs in a page; `window.tracker` and the functions below are how tests use it. */
const PAGE = `<!doctype html><meta charset="utf-8"><title>A peer</title><script type="module">
import WebTorrent from "/webtorrent.min.js";
const toHex = (buffer) => Array.from(new Uint8Array(buffer), (b) => b.toString(16).padStart(2, "0"))
  .join("");
// CI has no STUN server to ask: the pages are on one machine.
window.client = new WebTorrent({ tracker: { rtcConfig: { iceServers: [] } } });
window.warnings = [];
window.announceCount = 0; // Answered ones.
window.partners = new Set(); // The ids of those whom it shook hands with.
window.client.on("error", (error) => window.warnings.push(String(error)));
const watch = (torrent) => {
  torrent.on("warning", (warning) => window.warnings.push(String(warning)));
  torrent.on("trackerAnnounce", () => ++window.announceCount);
  torrent.on("wire", ({ peerId }) => window.partners.add(peerId));
};
window.seed = (byteLength, tracker) => new Promise((resolve) => {
  const bytes = new Uint8Array(byteLength);
  for (let at = 0; at < byteLength; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(byteLength, at + 65536)));
  }
  const file = new File([bytes], "file.bin");
  const options = { announce: [tracker] };
  const torrent = window.client.seed(file, options, async () => {
    const sha256 = toHex(await crypto.subtle.digest("SHA-256", bytes));
    resolve({ magnet: torrent.magnetURI, sha256 });
  });
  watch(torrent);
});
window.fetchFile = (magnet) => new Promise((resolve) => {
  const torrent = window.client.add(magnet);
  watch(torrent);
  torrent.on("done", async () => {
    const blob = await torrent.files[0].blob();
    resolve(toHex(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer())));
  });
});
window.isReady = true;
</script>`;

/** What a seeding page gives to others. */
export interface Seeded {
  magnet: string;
  sha256: string;
}

export class Peer {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** Makes a file of random bytes, seeds it, and waits until the tracker has its first offers. */
  async seed(byteLength: number, tracker: string): Promise<Seeded> {
    const seeded = await this.#call<Seeded>("seed", byteLength, tracker);
    // webtorrent says without offers that it has completed, and then with them that it has started.
    await this.#until("announceCount >= 2");
    return seeded;
  }

  /** Downloads the one file of a torrent and returns its SHA-256. */
  async fetchFile({ magnet }: Seeded): Promise<string> {
    return await this.#call("fetchFile", magnet);
  }

  /** Waits until the tracker has answered another announce. */
  async untilAnnounced(): Promise<void> {
    const count = await this.#page.evaluate("announceCount + 1");
    await this.#until(`announceCount >= ${count}`);
  }

  /** Waits until it has shaken hands with so many others, whom it knows from the tracker only. */
  async untilConnected(others: number): Promise<void> {
    await this.#until(`partners.size >= ${others}`);
  }

  /** Ends the page's process as a crash does: no page is told and no socket is closed by it. */
  async crash(): Promise<void> {
    const crashed = new Promise((resolve) => this.#page.once("crash", resolve));
    this.#page.goto("chrome://crash").catch(() => {}); // It never loads.
    await within(crashed, { deadlineMs: DEADLINE_MS, what: "the page crashes" });
  }

  async #call<Result>(name: string, ...args: unknown[]): Promise<Result> {
    const calling = this.#page.evaluate(
      ([name, args]) => (globalThis as unknown as Functions)[name as string](...args as unknown[]),
      [name, args] as const,
    );
    return await this.#within(calling, name) as Result;
  }

  /** Waits until an expression of the page holds. */
  async #until(condition: string): Promise<void> {
    const options = { timeout: 0, polling: 100 };
    await this.#within(this.#page.waitForFunction(condition, undefined, options), condition);
  }

  /** Waits for a page to do something, and says what it said and saw where it does not. */
  async #within<Result>(promise: Promise<Result>, what: string): Promise<Result> {
    const options = { deadlineMs: TRANSFER_DEADLINE_MS, what: `a page: ${what}` };
    return await within(promise, options).catch(async (error) => {
      const told = "JSON.stringify({ warnings, announceCount, partners: [...partners] })";
      const seen = await this.#page.evaluate(told).catch(String);
      throw new Error(`${error.message}; the page says ${seen}`, { cause: error });
    });
  }
}

type Functions = Record<string, (...args: unknown[]) => unknown>;

export class Browser implements AsyncDisposable {
  readonly #home: string;
  readonly #chromium: Chromium;
  readonly #site: Deno.HttpServer<Deno.NetAddr>;

  private constructor(home: string, chromium: Chromium, site: Deno.HttpServer<Deno.NetAddr>) {
    this.#home = home;
    this.#chromium = chromium;
    this.#site = site;
  }

  /** Starts Chromium with a home of its own, where the authority is trusted. */
  static async start(authority: Authority): Promise<Browser> {
    const bundle = await loadBundle();
    const home = await Deno.makeTempDir({ prefix: "riptide-browser-" });
    await trust(home, authority);
    const browser = await chromium.launch({
      executablePath: PATH,
      args: FLAGS,
      env: { ...Deno.env.toObject(), HOME: home },
    });
    const site = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      ({ url }) =>
        url.endsWith("/webtorrent.min.js")
          ? new Response(bundle, { headers: { "Content-Type": "text/javascript" } })
          : new Response(PAGE, { headers: { "Content-Type": "text/html" } }),
    );
    return new Browser(home, browser, site);
  }

  /** Opens a page of its own kind: nothing is shared with the others. */
  async open(): Promise<Peer> {
    const context = await this.#chromium.newContext();
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${this.#site.addr.port}/`);
    await page.waitForFunction("window.isReady", undefined, { timeout: DEADLINE_MS });
    return new Peer(page);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chromium.close();
    await this.#site.shutdown();
    await Deno.remove(this.#home, { recursive: true });
  }
}

/** Has the user of this home trust the authority for servers: Chromium reads his NSS database. */
async function trust(home: string, { certificatePath }: Authority): Promise<void> {
  const database = `${home}/.pki/nssdb`;
  await Deno.mkdir(database, { recursive: true });
  await run("certutil", ["-d", `sql:${database}`, "-N", "--empty-password"]);
  const name = ["-n", "Riptide test authority"];
  await run("certutil", [
    "-d",
    `sql:${database}`,
    "-A",
    "-t",
    "C,,",
    ...name,
    "-i",
    certificatePath,
  ]);
}

/**
 * The bundle out of the package: a dependency of the project would bring 170 packages along, which
 * the bundle already holds.
 */
async function loadBundle(): Promise<Uint8Array<ArrayBuffer>> {
  const directory = await Deno.makeTempDir({ prefix: "riptide-webtorrent-" });
  try {
    await run("npm", ["pack", "--silent", "--prefer-offline", BUNDLE], directory);
    const [archive] = Array.from(Deno.readDirSync(directory), ({ name }) => name);
    await run("tar", ["-xzf", archive, "package/dist/webtorrent.min.js"], directory);
    const bundle = await Deno.readFile(`${directory}/package/dist/webtorrent.min.js`);
    const digest = toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bundle)));
    assert.equal(digest, BUNDLE_SHA256, "The bundle is the one that was looked at");
    return bundle;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function run(command: string, args: string[], cwd?: string): Promise<void> {
  const options = { args, cwd, stdin: "null", stdout: "null", stderr: "piped" } as const;
  const { success, stderr } = await new Deno.Command(command, options).output();
  assert.ok(success, `${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
