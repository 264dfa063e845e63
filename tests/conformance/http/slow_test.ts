/** Row H39 in time: slow senders and idle connections, and what does not wait for them. (B7.) */
import { strict as assert } from "node:assert";
import { elapse, within } from "../../support/deadline.ts";
import { HttpConnection } from "../../support/http_client.ts";
import { announceTarget, parseAnnounced, parseResponses } from "../../support/http_messages.ts";
import { scrapeTarget, writeRequest } from "../../support/http_messages.ts";
import { forEachWay, type HttpServer, HttpSuite } from "../../support/http_suite.ts";
import { ascii, concat, randomBytes } from "../../support/packets.ts";

const REQUEST_TIMEOUT = 2;
const KEEP_ALIVE_TIMEOUT = 4;
/** Connections are looked at once a second; and machines are busy. */
const SLACK = 3;
/** What an operator gets without asking: issue 5 allows 30 seconds for a head or a handshake. */
const DEFAULT_TIMEOUT_MAX = 30;

const impatient = {
  configuration: {
    network: { request_timeout: REQUEST_TIMEOUT, keep_alive_timeout: KEEP_ALIVE_TIMEOUT },
  },
};

type Scenario = (server: HttpServer) => Promise<void>;

/** Connections that must be gone in time. */
const SCENARIOS: Record<string, Scenario> = {
  "an unfinished head": async (server) => {
    await using client = await server.open();
    await client.send(writeRequest(announceTarget()).slice(0, -2));
    await expectRefused(client, REQUEST_TIMEOUT);
  },

  "an unfinished request line": async (server) => {
    await using client = await server.open();
    await client.send("GET /announce?");
    await expectRefused(client, REQUEST_TIMEOUT);
  },

  "a second request that is unfinished": async (server) => {
    await using client = await server.open();
    await client.expectUsable();
    await client.send("GET /announce?");
    await expectRefused(client, REQUEST_TIMEOUT);
  },

  "a byte now and then": async (server) => {
    await using client = await server.open();
    let isOpen = true;
    const ending = expectRefused(client, REQUEST_TIMEOUT).finally(() => isOpen = false);
    ending.catch(() => {}); // Awaited below.
    for (const byte of ascii(writeRequest(announceTarget({ key: "k".repeat(500) })))) {
      if (!isOpen) break;
      await client.send(Uint8Array.of(byte)).catch(() => {});
      await elapse(100);
    }
    await ending;
  },

  "an empty line now and then": async (server) => {
    await using client = await server.open();
    let isOpen = true;
    const ending = expectRefused(client, KEEP_ALIVE_TIMEOUT).finally(() => isOpen = false);
    ending.catch(() => {}); // Awaited below.
    while (isOpen) {
      await client.send("\r\n").catch(() => {});
      await elapse(200);
    }
    await ending;
  },

  "a body that does not come": async (server) => {
    await using client = await server.open();
    const headers = ["Content-Length: 100"];
    await client.send(writeRequest("/announce", { method: "POST", headers }));
    await expectRefused(client, REQUEST_TIMEOUT);
  },

  "no request at all": async (server) => {
    await using client = await server.open();
    await expectRefused(client, KEEP_ALIVE_TIMEOUT);
  },

  "an idle connection after an answer": async (server) => {
    await using client = await server.open();
    await client.expectUsable();
    const since = performance.now();
    assert.equal(await client.untilClosed((KEEP_ALIVE_TIMEOUT + SLACK) * 1000), "closed");
    assert.ok(performance.now() - since > (KEEP_ALIVE_TIMEOUT - 1) * 1000, "Not too early");
  },

  "answers that nobody reads": async (server) => {
    await using client = await server.open();
    const hashes = Array.from({ length: 60 }, () => randomBytes(20));
    const request = ascii(writeRequest(scrapeTarget(hashes)));
    const writing = client.conn.write(concat(...Array.from({ length: 4000 }, () => request)));
    const ending = within(writing, {
      deadlineMs: 2 * (REQUEST_TIMEOUT + SLACK) * 1000,
      what: "the connection is reset",
    });
    // Over TLS, Deno's own client may take everything at once.
    if (server.scheme === "http") await assert.rejects(untilAllIsSent(client, ending, request));
    else await ending.catch(() => {});
  },

  "(not) a connection that is used": async (server) => {
    await using client = await server.open();
    const end = performance.now() + (2 * KEEP_ALIVE_TIMEOUT + SLACK) * 1000;
    while (performance.now() < end) {
      await client.expectUsable();
      await elapse((KEEP_ALIVE_TIMEOUT - 2) * 1000);
    }
  },

  "(not) a request in two halves": async (server) => {
    await using client = await server.open();
    const request = writeRequest(announceTarget());
    for (let count = 0; count < 4; count++) {
      await client.send(request.slice(0, 30));
      await elapse(REQUEST_TIMEOUT * 400);
      await client.send(request.slice(30));
      parseAnnounced(await client.receive());
    }
  },
};

forEachWay((way) => {
  const suite = new HttpSuite(way);

  suite.ownRow("H39 slow and idle connections are gone in time", impatient, async ({ server }) => {
    // All wait in real time, so they wait together.
    const failures = await Promise.all(
      Object.entries(SCENARIOS).map(async ([name, scenario]) => {
        const error = await scenario(server).then(() => undefined, (error) => error);
        return error === undefined ? [] : [`${name}: ${error.message ?? error}`];
      }),
    );
    assert.deepEqual(failures.flat(), []);
    await (await server.open())[Symbol.asyncDispose]();
  });
});

const secure = new HttpSuite("https", {
  configuration: { network: { request_timeout: REQUEST_TIMEOUT, max_connections: 2 } },
});

/**
 * Deno 2.9.6 cannot end a TLS handshake: after `close()`, with or without a pending `handshake()`
 * or `read()`, the client's socket was still open 3 s later (tried on 2026-11-24). So such
 * connections are not gone within 30 seconds; they count until their clients end them, and are not
 * served.
 */
secure.row("H39 a handshake that takes too long counts, and is not served", async (context) => {
  const { client, server } = context;
  const { hostname, port, authority } = server.endpoint();
  await using late = await HttpConnection.open({ hostname, port });
  await elapse(100);
  await client.expectUsable();
  await elapse((REQUEST_TIMEOUT + SLACK) * 1000);
  const third = await HttpConnection.open({ hostname, port, authority }).catch(() => undefined);
  if (third) {
    await using _ = third;
    await third.send(writeRequest(announceTarget())).catch(() => {});
    for (const { status } of parseResponses(await third.readRest())) assert.equal(status, 503);
  }
  late.close();
  await elapse(500);
  await (await context.open()).expectUsable();
});

new HttpSuite("http").row("H39 by default nobody has more than 30 seconds", async () => {
  const args = ["run", "--quiet", "--allow-read", "--allow-sys", "main.ts", "http", "-p"];
  const cwd = new URL("../../../", import.meta.url);
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, cwd }).output();
  const seconds = /^request_timeout = (\d+)$/m.exec(new TextDecoder().decode(stdout))?.[1];
  assert.ok(Number(seconds) <= DEFAULT_TIMEOUT_MAX, `request_timeout = ${seconds}`);
});

/** Expects a close in time, with at most an answer that says why. */
async function expectRefused(client: HttpConnection, seconds: number): Promise<void> {
  const rest = await client.readRest((seconds + SLACK) * 1000);
  const responses = parseResponses(rest);
  assert.ok(responses.length <= 1, `${responses.length} answers`);
  for (const { status } of responses) assert.ok([400, 405, 408].includes(status), `${status}`);
}

/** Goes on sending after a first part was taken, until the connection fails. */
async function untilAllIsSent(
  client: HttpConnection,
  first: Promise<number>,
  request: Uint8Array,
): Promise<never> {
  await first;
  while (true) {
    const sending = client.conn.write(request);
    await within(sending, { deadlineMs: 10_000, what: "further bytes are taken" });
  }
}
