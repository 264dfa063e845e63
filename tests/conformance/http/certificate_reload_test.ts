/**
 * New certificates by SIGHUP and SIGUSR1, under load. (Issue 5, design.md section 4.)
 *
 * The certificates come from two authorities, so a client that trusts only one of them knows which
 * certificate it was shown.
 */
import { strict as assert } from "node:assert";
import { Authority, type Certificate } from "../../support/certificates.ts";
import { elapse } from "../../support/deadline.ts";
import { type Endpoint, HttpConnection } from "../../support/http_client.ts";
import { tlsConfiguration } from "../../support/http_suite.ts";
import { randomBytes } from "../../support/packets.ts";
import { type LogRecord, type Server, startServer } from "../../support/server.ts";
import { parseAddress } from "../../support/udp_client.ts";

/** New connections get the new certificate within it. */
const EFFECT_MS = 1000;
/** Between the last look at the old listener's queue and its close is an instant. */
const RESETS_MAX = 2;

interface Stage {
  server: Server;
  authorities: [Authority, Authority];
  /** Puts the certificate of one authority, or other bytes, where the server reads it. */
  install(certificate: Certificate): Promise<void>;
  leaves: [Certificate, Certificate];
  paths: Certificate;
  endpoint: Endpoint;
}

const test = (name: string, judge: (stage: Stage) => Promise<void>, expectErrors = false) =>
  Deno.test({
    name: `${name} [https]`,
    fn: async () => {
      await using first = await Authority.create();
      await using second = await Authority.create();
      const leaves: [Certificate, Certificate] = [await first.issue(), await second.issue()];
      const paths = {
        certificatePath: `${first.directory}/live.pem`,
        keyPath: `${first.directory}/live.key`,
      };
      const install = async ({ certificatePath, keyPath }: Certificate) => {
        await Deno.copyFile(certificatePath, paths.certificatePath);
        await Deno.copyFile(keyPath, paths.keyPath);
      };
      await install(leaves[0]);
      const configuration = tlsConfiguration(paths);
      await using server = await startServer({ driver: "http", configuration, expectErrors });
      const { port } = parseAddress(server.address("127.0.0.1"));
      const authority = first.certificate + second.certificate;
      const endpoint = { hostname: "127.0.0.1", port, authority };
      await judge({ server, authorities: [first, second], install, leaves, paths, endpoint });
    },
  });

for (const signal of ["SIGHUP", "SIGUSR1"] as const) {
  test(`${signal}: new connections get the new certificate, old ones go on`, async (stage) => {
    const { endpoint, leaves } = stage;
    await using old = await HttpConnection.open(endpoint);
    await old.expectUsable();
    assert.equal(await isShown(stage, 0), true);
    assert.equal(await isShown(stage, 1), false);
    await stage.install(leaves[1]);
    stage.server.signal(signal);
    await elapse(EFFECT_MS);
    for (let count = 0; count < 10; count++) {
      assert.equal(await isShown(stage, 1), true);
      assert.equal(await isShown(stage, 0), false);
    }
    await old.expectUsable();
  });
}

test("reloads under load: hardly a connection is lost, no answer is", async (stage) => {
  const load = new Load(stage.endpoint);
  try {
    for (let round = 1; round <= 6; round++) {
      const shown = round % 2;
      await load.pass(30);
      const before = load.failures.length;
      await stage.install(stage.leaves[shown]);
      const record = await reload(stage.server, "SIGHUP");
      assert.notEqual(record.level, "error", record.message);
      await elapse(EFFECT_MS);
      assert.equal(await isShown(stage, shown), true);
      assert.equal(await isShown(stage, 1 - shown), false);
      await load.pass(30);
      const failures = load.failures.slice(before);
      assert.ok(failures.length <= RESETS_MAX, `Failures: ${failures.join("; ")}`);
    }
  } finally {
    await load.stop();
  }
  assert.deepEqual(load.keptFailures, [], "Connections that were open went on");
  assert.ok(load.keptCount > 100);
});

test("a bad file keeps the old certificate and logs an error", async (stage) => {
  const { server, leaves, paths, authorities } = stage;
  const expired = await authorities[1].issue({ days: -1 });
  const bad: Record<string, () => Promise<void>> = {
    "garbage": () => Deno.writeFile(paths.certificatePath, randomBytes(300)),
    "an empty file": () => Deno.writeTextFile(paths.certificatePath, ""),
    "no file": () => Deno.remove(paths.certificatePath),
    "another key": async () => {
      await Deno.copyFile(leaves[1].keyPath, paths.keyPath);
    },
    "a bad key": () => Deno.writeTextFile(paths.keyPath, "-----BEGIN PRIVATE KEY-----\n"),
    "an expired certificate": () => stage.install(expired),
  };
  for (const [what, spoil] of Object.entries(bad)) {
    await spoil();
    const record = await reload(server, "SIGHUP");
    assert.equal(record.level, "error", what);
    assert.match(describe(record), /live\.(pem|key)/, `${what}: the record names the file`);
    assert.equal(await isShown(stage, 0), true, what);
    await stage.install(leaves[0]);
  }
  await stage.install(leaves[1]);
  assert.notEqual((await reload(server, "SIGHUP")).level, "error");
  await elapse(EFFECT_MS);
  assert.equal(await isShown(stage, 1), true, "A good file works again");
}, true);

/** Tells whether a client that trusts only this authority gets a connection. */
async function isShown(stage: Stage, index: number): Promise<boolean> {
  const authority = stage.authorities[index].certificate;
  try {
    await using client = await HttpConnection.open({ ...stage.endpoint, authority });
    await client.expectUsable();
    return true;
  } catch (error) {
    if (error instanceof Error && /UnknownIssuer|certificate/i.test(error.message)) return false;
    throw error;
  }
}

/** Sends the signal and waits for the record that says how the reload of the certificate ended. */
async function reload(server: Server, signal: Deno.Signal): Promise<LogRecord> {
  const since = server.records.length;
  server.signal(signal);
  const isOutcome = (record: LogRecord) =>
    record.level !== "debug" && /certificate|live\.(pem|key)/i.test(describe(record));
  return await server.waitForRecord(isOutcome, { since, what: "the reload's outcome" });
}

function describe({ message, properties }: LogRecord): string {
  return `${message} ${JSON.stringify(properties)}`;
}

/** New connections without pause, and others that are kept. */
class Load {
  /** What went wrong with new connections. */
  readonly failures: string[] = [];
  /** What went wrong with those that are kept. */
  readonly keptFailures: string[] = [];
  keptCount = 0;
  #newCount = 0;
  #stopped = false;
  readonly #running: Promise<void>[];
  readonly #endpoint: Endpoint;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.#running = [
      ...Array.from({ length: 6 }, () => this.#openAgainAndAgain()),
      ...Array.from({ length: 4 }, () => this.#keepOne()),
    ];
  }

  /** Waits until so many further new connections were served. */
  async pass(count: number): Promise<void> {
    const goal = this.#newCount + count;
    const end = performance.now() + 20_000;
    while (this.#newCount < goal) {
      assert.ok(performance.now() < end, `No new connections; ${this.failures.at(-1)}`);
      await elapse(10);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #openAgainAndAgain(): Promise<void> {
    while (!this.#stopped) {
      try {
        await using client = await HttpConnection.open(this.#endpoint);
        await client.announce();
        this.#newCount++;
      } catch (error) {
        this.failures.push(String(error));
        if (this.failures.length > 1000) return;
      }
    }
  }

  async #keepOne(): Promise<void> {
    try {
      await using client = await HttpConnection.open(this.#endpoint);
      while (!this.#stopped) {
        await client.announce();
        this.keptCount++;
        await elapse(5);
      }
    } catch (error) {
      this.keptFailures.push(String(error));
    }
  }
}
