/** Clients that misbehave or vanish: bounded memory, and nobody else notices. (Issue 5.) */
import { strict as assert } from "node:assert";
import net from "node:net";
import { latin1 } from "../../support/bencode.ts";
import { elapse, within } from "../../support/deadline.ts";
import type { Endpoint, HttpConnection } from "../../support/http_client.ts";
import { announceTarget, percentEncode, scrapeTarget } from "../../support/http_messages.ts";
import { writeRequest } from "../../support/http_messages.ts";
import { forEachWay, HttpSuite } from "../../support/http_suite.ts";
import { ascii, concat, randomBytes, toHex } from "../../support/packets.ts";
import { residentByteLength } from "../../support/processes.ts";

const MIB = 1024 * 1024;

/** 60 hashes, about 4.5 KiB each way. */
const LONG_SCRAPE = ascii(
  writeRequest(scrapeTarget(Array.from({ length: 60 }, () => randomBytes(20)))),
);

forEachWay((way) => {
  const suite = new HttpSuite(way);

  suite.row("clients that never read: bounded memory, others are served", async (context) => {
    const { client, open, server } = context;
    const { processId } = server.server;
    await client.expectUsable();
    const before = await residentByteLength(processId);
    const deaf = await Promise.all(Array.from({ length: 16 }, () => open()));
    const sent = await Promise.all(deaf.map((each) => sendUntilBlocked(each, 32 * MIB)));
    // Over TLS, Deno's own client may keep more than it has sent.
    const isBounded = way.startsWith("https") || sent.every((byteLength) => byteLength < 32 * MIB);
    assert.ok(isBounded, `${sent} bytes were taken`);
    const since = performance.now();
    for (let count = 0; count < 100; count++) await client.expectUsable();
    assert.ok(performance.now() - since < 5000, "Others are served as ever");
    const growth = await residentByteLength(processId) - before;
    assert.ok(growth < 48 * MIB, `Memory grew by ${growth / MIB} MiB`);
    for (const each of deaf) each.close();
    await client.expectUsable();
  });

  suite.row("a slow reader gets every answer", async ({ client }) => {
    const hashes = Array.from({ length: 300 }, () => randomBytes(20));
    const request = concat(
      ...hashes.map((infoHash) => concat(ascii(writeRequest(scrapeTarget([infoHash]))))),
    );
    await client.send(request);
    await elapse(300);
    for (const infoHash of hashes) {
      const { body } = await client.receive();
      assert.ok(latin1(body).includes(latin1(infoHash)));
    }
    await client.expectUsable();
  });

  suite.row("500 idle connections: others are served", async ({ client, open }) => {
    const idle = [];
    for (let count = 0; count < 500; count++) idle.push(await open());
    for (let count = 0; count < 50; count++) await client.expectUsable();
    await idle[0].expectUsable();
    await idle.at(-1)!.expectUsable();
  });
});

const suite = new HttpSuite("http");
const request = writeRequest(announceTarget());

/** What a client has sent when it resets the connection. */
const STATES: Record<string, string> = {
  "before a byte": "",
  "within a request line": request.slice(0, 40),
  "within the headers": request.slice(0, -2),
  "after a request": request,
  "after many requests": request.repeat(500),
  "within a second request": request + request.slice(0, 40),
  "after a request that is refused": "GET\r\n\r\n",
  "within a target that is too long": "GET /" + "k".repeat(30_000),
  "within a body": "POST /announce HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
};
for (const [state, bytes] of Object.entries(STATES)) {
  suite.row(`resets ${state}: nobody else notices`, async ({ client, server }) => {
    const endpoint = server.endpoint();
    for (let round = 0; round < 5; round++) {
      await Promise.all(Array.from({ length: 10 }, () => reset(endpoint, bytes)));
      await client.expectUsable();
    }
    assert.deepEqual(server.server.errors, []);
  });
}

suite.row("a client that closes its half within a request: a 400 or a close", async ({ open }) => {
  for (const bytes of [request.slice(0, 40), request.slice(0, -2), request + request.slice(0, 9)]) {
    const client = await open();
    await client.send(bytes);
    await client.closeWrite();
    const rest = latin1(await client.readRest());
    const last = rest.split(/(?=HTTP\/1\.1 )/).at(-1)!;
    if (bytes.length < request.length) assert.match(last, /^(HTTP\/1\.1 400 |$)/);
  }
});

const PASSKEY = "SECRETPASSKEY42";
const chatty = {
  configuration: { log_level: "debug", statistics: { interval: 1 } },
};
suite.ownRow("the log tells no info hash, passkey or address of a client", chatty, async (row) => {
  const { client, open, server } = row;
  const infoHash = randomBytes(20);
  const path = `/${PASSKEY}/announce`;
  await client.request(announceTarget({ info_hash: infoHash }, path));
  await client.request(announceTarget({ info_hash: infoHash, port: 0, passkey: PASSKEY }, path));
  await client.request(announceTarget({ info_hash: infoHash }, `/${PASSKEY}/x`));
  await client.request(scrapeTarget([infoHash], `/scrape/${PASSKEY}`));
  const broken = await open();
  await broken.send(`GET /${PASSKEY}/announce?info_hash=${toHex(infoHash)}\r\n\r\n`);
  await broken.readRest();
  await reset(server.endpoint(), writeRequest(announceTarget({ info_hash: infoHash }, path)));
  await elapse(2200); // Two lines of statistics.
  const { log } = server.server;
  const { port } = server.endpoint();
  const text = log.replaceAll(`127.0.0.1:${port}`, "");
  assert.ok(server.server.records.length > 2, "It did log something");
  const secrets = [PASSKEY, toHex(infoHash), percentEncode(infoHash), "127.0.0.1:"];
  for (const secret of secrets) {
    assert.ok(!text.toLowerCase().includes(secret.toLowerCase()), `"${secret}" in: ${log}`);
  }
});

/** Sends long scrapes without reading, until nothing is taken for half a second. */
async function sendUntilBlocked(client: HttpConnection, byteLengthMax: number): Promise<number> {
  const bytes = concat(...Array.from({ length: 16 }, () => LONG_SCRAPE));
  let byteLength = 0;
  while (byteLength < byteLengthMax) {
    const writing = client.conn.write(bytes);
    writing.catch(() => {}); // It ends when the connection is closed.
    const written = await Promise.race([writing.catch(() => undefined), elapse(500)]);
    if (written === undefined) break;
    byteLength += written;
  }
  return byteLength;
}

/** Connects, sends these bytes and resets the connection. */
async function reset({ hostname, port }: Endpoint, bytes: string): Promise<void> {
  const socket = net.connect({ host: hostname, port });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  if (bytes !== "") await new Promise<void>((resolve) => socket.write(bytes, () => resolve()));
  await elapse(2);
  socket.resetAndDestroy();
  await within(closed, { deadlineMs: 5000, what: "the reset" });
}
