/**
 * Reloads of the access list while requests run: none is lost, none wrongly judged.
 *
 * Three kinds of torrents are announced without pause: always listed, never listed, and one whose
 * listing each reload turns over. Once the log says that a reload is done, the new list holds.
 */
import { strict as assert } from "node:assert";
import type { Configuration } from "../support/configuration.ts";
import { randomBytes, toHex } from "../support/packets.ts";
import { type LogRecord, type Server, type ServerOptions, startServer } from "../support/server.ts";
import { forEachDriver } from "../support/suite.ts";
import { UdpClient } from "../support/udp_client.ts";
import { elapse } from "../support/deadline.ts";
import { listensOnTcp } from "../support/processes.ts";

/** Requests on the way at once; few enough for any socket buffer. */
const WINDOW = 16;

const listed = randomBytes(20);
const unlisted = randomBytes(20);
const turning = randomBytes(20);
/** Makes a list long enough that loading it takes a while. */
const filler = hashLines(50_000);

/** Returns lines of different random info hashes. */
function hashLines(count: number): string {
  let lines = "";
  while (lines.length < count * 41) lines += `${toHex(randomBytes(20))}\n`;
  return lines;
}

function listText(withTurning: boolean): string {
  const hashes = withTurning ? [listed, turning] : [listed];
  return `${filler}${hashes.map(toHex).join("\n")}\n`;
}

const configuration = (directory: string): Configuration => ({
  access_list: { mode: "black", path: `${directory}/list.txt` },
});

forEachDriver((driver, ignore) => {
  const test = (
    name: string,
    judge: (server: Server) => Promise<void>,
    options: Partial<ServerOptions> = {},
  ) =>
    Deno.test({
      name: `${name} [${driver}]`,
      ignore,
      fn: async () => {
        const files = { "list.txt": listText(false) };
        await using server = await startServer({ driver, configuration, files, ...options });
        await judge(server);
      },
    });

  test("SIGHUP under traffic: no request lost or wrongly judged", async (server) => {
    await reloadUnderTraffic(server, { reloadCount: 12, text: listText });
  });

  test("SIGUSR1 reloads too, and opens no inspector", async (server) => {
    await using client = await connect(server);
    assert.equal(await isRefused(client, turning), false);
    await reloadWith(server, { text: listText(true), signal: "SIGUSR1", level: "info" });
    assert.equal(await isRefused(client, turning), true);
    await elapse(1000);
    assert.equal(await listensOnTcp(server.processId, 9229), false, "An inspector on port 9229");
  });

  test("a bad list is refused and the old one stays", async (server) => {
    await using client = await connect(server);
    for (const bad of ["xyz", toHex(listed).slice(1), `${toHex(listed)}00`, "\0"]) {
      const text = `${toHex(turning)}\n${bad}\n`;
      const record = await reloadWith(server, { text, signal: "SIGHUP", level: "error" });
      assert.match(inspectRecord(record), /\b(line )?2\b/, "The record names the line");
      assert.equal(await isRefused(client, listed), true);
      assert.equal(await isRefused(client, turning), false);
    }
    await Deno.remove(`${server.directory}/list.txt`);
    await reload(server, { signal: "SIGHUP", level: "error" });
    assert.equal(await isRefused(client, listed), true, "A list that is gone changes nothing");
    await reloadWith(server, { text: listText(true), signal: "SIGHUP", level: "info" });
    assert.equal(await isRefused(client, turning), true, "A good list works again");
  }, { expectErrors: true });

  test("a million lines replace a million lines under traffic", async (server) => {
    const million = hashLines(1_000_000);
    const text = (isListed: boolean) => million + listText(isListed);
    await reloadUnderTraffic(server, { reloadCount: 2, text });
  }, {
    configuration: (directory) => ({ ...configuration(directory), memory: { limit_mib: 256 } }),
  });

  test("an empty list lets everything in", async (server) => {
    await using client = await connect(server);
    assert.equal(await isRefused(client, listed), true);
    await reloadWith(server, { text: "# nothing\n", signal: "SIGHUP", level: "info" });
    assert.equal(await isRefused(client, listed), false);
  });
});

/** Reloads again and again, each time turning over the turning torrent, while requests run. */
async function reloadUnderTraffic(
  server: Server,
  options: { reloadCount: number; text: (turningIsListed: boolean) => string },
): Promise<void> {
  await using client = await connect(server);
  const traffic = new Traffic(client);
  const running = traffic.run();
  running.catch(() => {}); // Awaited below.
  try {
    for (let reload = 1; reload <= options.reloadCount; reload++) {
      const isListed = reload % 2 === 1;
      const before = traffic.requestCount;
      await reloadWith(server, { text: options.text(isListed), signal: "SIGHUP", level: "info" });
      assert.ok(traffic.requestCount > before, "Requests were answered during the reload");
      await traffic.pass(2 * WINDOW);
      traffic.turningIsListed = isListed;
      await traffic.pass(4 * WINDOW);
      traffic.turningIsListed = undefined;
    }
  } finally {
    traffic.stop();
    await running;
  }
}

/** Announces the three torrents in turn, `WINDOW` at once, and judges every reply. */
class Traffic {
  requestCount = 0;
  /** What must hold for the turning torrent; undefined while a reload is under way. */
  turningIsListed: boolean | undefined;
  readonly #client: UdpClient;
  #stopped = false;
  #progress = () => {};

  constructor(client: UdpClient) {
    this.#client = client;
  }

  async run(): Promise<void> {
    while (!this.#stopped) await this.#exchangeWindow();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Waits until `count` further requests were answered. */
  async pass(count: number): Promise<void> {
    const goal = this.requestCount + count;
    while (this.requestCount < goal && !this.#stopped) {
      await new Promise<void>((resolve) => this.#progress = resolve);
    }
  }

  async #exchangeWindow(): Promise<void> {
    const client = this.#client;
    const sent = new Map<number, { kind: number; turning: boolean | undefined }>();
    for (let index = 0; index < WINDOW; index++) {
      const kind = index % 3;
      const transactionId = client.nextTransactionId();
      const infoHash = [listed, unlisted, turning][kind];
      sent.set(transactionId, { kind, turning: this.turningIsListed });
      await client.send(client.announcePacket({ infoHash, transactionId }));
    }
    try {
      while (sent.size > 0) {
        const reply = await client.receive();
        const request = sent.get(reply.transactionId);
        assert.ok(request, "A reply that nobody awaits");
        sent.delete(reply.transactionId);
        const isSettled = request.turning === this.turningIsListed;
        const turning = isSettled ? request.turning : undefined;
        const isListed = [true, false, turning][request.kind];
        if (isListed !== undefined) assert.equal(reply.kind, isListed ? "error" : "announce");
        this.requestCount++;
      }
    } catch (error) {
      this.#stopped = true;
      throw error;
    } finally {
      this.#progress();
    }
  }
}

async function connect(server: Server): Promise<UdpClient> {
  const client = new UdpClient("127.0.0.1", server.address("127.0.0.1"));
  await client.connect();
  return client;
}

async function isRefused(client: UdpClient, infoHash: Uint8Array): Promise<boolean> {
  await client.send(client.announcePacket({ infoHash }));
  const { kind } = await client.receive();
  assert.ok(kind === "announce" || kind === "error");
  return kind === "error";
}

async function reloadWith(
  server: Server,
  options: { text: string; signal: Deno.Signal; level: "info" | "error" },
): Promise<LogRecord> {
  await Deno.writeTextFile(`${server.directory}/list.txt`, options.text);
  return await reload(server, options);
}

/** Sends the signal and waits for the record that says how the reload ended. */
async function reload(
  server: Server,
  options: { signal: Deno.Signal; level: "info" | "error" },
): Promise<LogRecord> {
  const since = server.records.length;
  server.signal(options.signal);
  const aboutList = (record: LogRecord) =>
    (record.level === "info" || record.level === "error") &&
    /access list|list\.txt/i.test(inspectRecord(record));
  const record = await server.waitForRecord(aboutList, { since, what: "the reload's outcome" });
  assert.equal(record.level, options.level, inspectRecord(record));
  return record;
}

function inspectRecord({ message, properties }: LogRecord): string {
  return `${message} ${JSON.stringify(properties)}`;
}
