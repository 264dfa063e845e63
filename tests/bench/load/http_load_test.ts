import { strict as assert } from "node:assert";
import { ANNOUNCE, ERROR, SCRAPE } from "../../../bench/load/counters.ts";
import { AnswerReader, BROKEN, INCOMPLETE } from "../../../bench/load/http_answers.ts";
import {
  defaultHttpLoadConfig,
  type HttpLoadConfig,
  parseHttpLoadConfig,
  printHttpLoadConfig,
} from "../../../bench/load/http_config.ts";
import { runHttpLoad } from "../../../bench/load/http.ts";
import { HttpRequestWriter } from "../../../bench/load/http_requests.ts";
import { Pacer } from "../../../bench/load/pacer.ts";
import { createPopulation, PeerTurns } from "../../../bench/load/population.ts";
import { createRandom } from "../../../bench/load/random.ts";
import { tcpPopulation } from "../../../bench/load/tcp_config.ts";
import { parseBody, writeAnnounceRequest } from "../../../protocols/http/client.ts";

const ignore = Deno.build.os !== "linux";
const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

const ANNOUNCE_BODY = "d8:completei2e10:incompletei1e8:intervali900e5:peers6:\x7f\0\0\x01\x1a\xe1e";
const SCRAPE_COUNTS = "d8:completei1e10:downloadedi0e10:incompletei0ee";
const SCRAPE_BODY = `d5:filesd20:${"a".repeat(20)}${SCRAPE_COUNTS}ee`;

Deno.test("parseHttpLoadConfig() reads what printHttpLoadConfig() writes, unchanged", () => {
  assert.deepEqual(parseHttpLoadConfig(printHttpLoadConfig()), defaultHttpLoadConfig());
  assert.match(printHttpLoadConfig(), /^server_address = "127\.0\.0\.1:3000"$/m);
  assert.match(printHttpLoadConfig(), /^duration = 10$/m);
  assert.match(printHttpLoadConfig(), /^enable_tls = false$/m);
});

Deno.test("parseHttpLoadConfig() says which setting is wrong", () => {
  const cases: [string, RegExp][] = [
    ["pipelining_depth = 8\nkeep_alive = false", /pipelining_depth is above 1 without/],
    ["num_connections = 0", /num_connections is not from 1/],
    ['io = "magic"', /io is none of native, deno/],
    ["rate = -1", /rate is not/],
    ["[torrents]\npeer_leaving_probability = 1.5", /peer_leaving_probability is not/],
    ["[torrents]\nnumber_of_peers = 5", /number_of_peers is not from 128/],
  ];
  for (const [text, message] of cases) assert.throws(() => parseHttpLoadConfig(text), { message });
});

Deno.test("Pacer makes one request due in each interval, counted from the first", () => {
  const pacer = new Pacer(1000);
  pacer.start(5);
  assert.equal(pacer.dueCount(4), 0);
  assert.equal(pacer.dueCount(5), 1);
  assert.equal(pacer.dueCount(7.5), 3);
  assert.deepEqual([pacer.take(7.5), pacer.take(7.5)], [5, 6]);
  assert.equal(pacer.dueCount(7.5), 1);
  assert.equal(pacer.waitMs(6.5), 0.5);
});

Deno.test("Pacer makes no more requests due than there are", () => {
  const closed = new Pacer(0, 2);
  assert.equal(closed.dueCount(3), 2);
  closed.take(3);
  closed.take(3);
  assert.equal(closed.dueCount(3), 0);
  const open = new Pacer(1000, 1);
  open.start(5);
  assert.equal(open.dueCount(9), 1);
  open.take(9);
  assert.equal(open.dueCount(9), 0);
  assert.equal(open.waitMs(9), Infinity);
});

Deno.test("Pacer without a rate makes every request due at once", () => {
  const pacer = new Pacer(0);
  assert.equal(pacer.dueCount(3), Infinity);
  assert.equal(pacer.take(3), 3);
});

Deno.test("PeerTurns lets peers start, complete, leave and come back, in that order", () => {
  const config = smallConfig(1);
  const population = createPopulation({
    ...tcpPopulation(config),
    leavingShare: 0.3,
    completingShare: 0.3,
    peerCount: 10,
  });
  const turns = new PeerTurns(population, { index: 1, count: 2, random: createRandom(3) });
  const isPresent = new Map<number, boolean>();
  const seen = new Set<number>();
  for (let turn = 0; turn < 500; ++turn) {
    const peer = turns.take();
    assert.equal(peer % 2, 1);
    assert.equal(turns.event === 2, isPresent.get(peer) !== true, "started when it was away");
    isPresent.set(peer, turns.event !== 3);
    seen.add(turns.event);
  }
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3]);
});

Deno.test("HttpRequestWriter writes what the client half writes for the same peer", () => {
  const config = smallConfig(1);
  const population = createPopulation(tcpPopulation(config));
  const turns = (of = population) =>
    new PeerTurns(of, { index: 0, count: 1, random: createRandom(1) });
  const writer = new HttpRequestWriter({
    population,
    turns: turns(),
    host: "127.0.0.1:3000",
    suffix: "/token",
    close: true,
    numWant: 50,
    scrapeTorrents: 2,
  });
  const other = turns(createPopulation(tcpPopulation(config)));
  const output = new Uint8Array(2048);
  for (let round = 0; round < 300; ++round) {
    const text = String.fromCharCode(...output.subarray(0, writer.writeAnnounce(output, 0)));
    const peer = other.take();
    const hash = population.peerTorrents[peer]! * 20;
    const expected = writeAnnounceRequest({
      infoHash: new Uint8Array(population.infoHashes.buffer).subarray(hash, hash + 20),
      peerId: bytesOf(`-RT0001-${String(peer).padStart(12, "0")}`),
      port: population.peerPorts[peer]!,
      left: population.peerSeeds[peer] === 1 ? 0 : 50,
      event: other.event === 2 ? "started" : undefined,
      numWant: 50,
    }, { host: "127.0.0.1:3000", path: "/announce/token", close: true });
    assert.deepEqual(parametersOf(text), parametersOf(expected));
  }
});

/** The parameters by name, still encoded but for letters and digits, and the headers. */
function parametersOf(request: string): string[] {
  const decoded = request.replace(/%([0-9a-f]{2})/g, (escape, digits) => {
    const character = String.fromCharCode(parseInt(digits, 16));
    return /[0-9A-Za-z-]/.test(character) ? character : escape;
  });
  return decoded.split(/[?& ]|\r\n/).sort();
}

Deno.test("AnswerReader finds the end of an answer, wherever it is cut", () => {
  const head = "HTTP/1.1 200 OK\r\nContent-Length: 3  \r\nConnection: close\r\n\r\n";
  const answer = bytesOf(`${head}abc`);
  const reader = new AnswerReader();
  for (let length = 0; length < head.length; ++length) {
    assert.equal(reader.readHead(answer.subarray(0, length), 0), INCOMPLETE);
  }
  assert.equal(reader.readHead(answer, 0), 1);
  assert.deepEqual([reader.status, reader.bodyStart, reader.byteLength, reader.isLast], [
    200,
    head.length,
    answer.length,
    true,
  ]);
  for (const broken of ["HTTP/1.1 200 OK\r\n\r\n", "SSH-2.0-x\r\nContent-Length: 1\r\n\r\n"]) {
    assert.equal(reader.readHead(bytesOf(broken), 0), BROKEN);
  }
});

Deno.test("AnswerReader agrees with the client half on bodies, cut ones too", () => {
  const reader = new AnswerReader();
  const cases: [string, number][] = [
    [ANNOUNCE_BODY, ANNOUNCE],
    [SCRAPE_BODY, SCRAPE],
    ["d14:failure reason9:noee", BROKEN],
    ["d14:failure reason2:noe", ERROR],
    [ANNOUNCE_BODY.replace("5:peers6:", "5:peers5:"), BROKEN],
    [ANNOUNCE_BODY.replace("i900e", "i09e"), BROKEN],
    [`${ANNOUNCE_BODY}e`, BROKEN],
    ["l1:ae", BROKEN],
    ["", BROKEN],
  ];
  for (const [body, kind] of cases) {
    const bytes = bytesOf(body);
    assert.equal(reader.readBody(bytes, 0, bytes.length), kind, body);
    if (kind === BROKEN) {
      assert.throws(() => parseBody(bytes), body);
      continue;
    }
    assert.doesNotThrow(() => parseBody(bytes), body);
    for (let end = 0; end < bytes.length; ++end) {
      assert.equal(reader.readBody(bytes, 0, end), BROKEN, body.slice(0, end));
    }
  }
  assert.equal(reader.readBody(bytesOf(`${ANNOUNCE_BODY}\r\n`), 0, ANNOUNCE_BODY.length + 2), 1);
  assert.deepEqual([reader.complete, reader.incomplete, reader.interval, reader.peers], [
    2,
    1,
    900,
    1,
  ]);
});

for (const io of ["native", "deno"] as const) {
  for (const keep_alive of [true, false]) {
    Deno.test(
      { name: `runHttpLoad() counts answers, io = ${io}, keep_alive = ${keep_alive}`, ignore },
      async () => {
        await using tracker = startTracker();
        const config = { ...smallConfig(tracker.port), io, keep_alive };
        config.pipelining_depth = keep_alive ? 4 : 1;
        config.torrents.weight_scrape = 1;
        config.duration = 1; // A busy machine opens ten connections in it.
        const report = await runHttpLoad(config, { serverPid: Deno.pid });
        assert.ok(report.valid, JSON.stringify(report.invalid));
        assert.ok(report.responses.announce! > 10 && report.responses.scrape! > 0);
        assert.ok(report.latency_microseconds.p50 > 0);
        assert.equal(report.timeouts, 0);
        const opened = report.connections.opened;
        assert.ok(keep_alive ? opened <= 4 : opened > 10, `${opened} connections`);
      },
    );
  }
}

Deno.test(
  { name: "runHttpLoad() keeps a rate, and counts from when a request was due", ignore },
  async () => {
    await using tracker = startTracker();
    const report = await runHttpLoad({ ...smallConfig(tracker.port), duration: 1, rate: 200 });
    assert.ok(report.valid && report.requests > 150 && report.requests < 250, `${report.requests}`);
  },
);

for (
  const [name, counted, body] of [
    ["no bencode", "malformed", "oops"],
    ["a scrape", "wrong_kind", SCRAPE_BODY],
    [
      "more peers than it counts",
      "impossible",
      ANNOUNCE_BODY.replace("i2e", "i0e").replace("i1e", "i0e"),
    ],
    ["an interval of 0", "impossible", ANNOUNCE_BODY.replace("i900e", "i0e")],
  ] as const
) {
  Deno.test(
    { name: `runHttpLoad() fails a tracker whose announce is ${name}`, ignore },
    async () => {
      await using tracker = startTracker(() => body);
      const report = await runHttpLoad(smallConfig(tracker.port));
      assert.equal(report.valid, false);
      for (const [kind, count] of Object.entries(report.invalid)) {
        assert.equal(count > 0, kind === counted, `${kind}: ${count}`);
      }
    },
  );
}

Deno.test({ name: "runHttpLoad() gives up requests that are not answered", ignore }, async () => {
  await using tracker = startTracker(() => undefined);
  const report = await runHttpLoad({ ...smallConfig(tracker.port), timeout: 0.1, duration: 0.6 });
  assert.ok(report.timeouts > 0 && !report.valid);
});

Deno.test({ name: "runHttpLoad() ends with the last of its requests", ignore }, async () => {
  await using tracker = startTracker();
  const config = { ...smallConfig(tracker.port), duration: 30, max_requests: 500 };
  const report = await runHttpLoad(config);
  assert.deepEqual([report.requests, report.responses.announce], [500, 500]);
  assert.ok(report.duration_seconds < 10);
  assert.ok(report.tester_idle_share > 0 && report.tester_idle_share <= 1);
});

Deno.test("runHttpLoad() says that nobody listens", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  await assert.rejects(runHttpLoad(smallConfig(port)), { message: /^Cannot connect to 127/ });
});

Deno.test("runHttpLoad() wants a rate for another machine", async () => {
  const config = { ...smallConfig(1), server_address: "192.0.2.1:3000" };
  await assert.rejects(runHttpLoad(config), /say --allow-remote/);
  await assert.rejects(runHttpLoad(config, { allowRemote: true }), /give a rate/);
});

function smallConfig(port: number): HttpLoadConfig {
  const config = defaultHttpLoadConfig();
  config.server_address = `127.0.0.1:${port}`;
  config.duration = 0.4;
  config.num_connections = 4;
  config.torrents.number_of_torrents = 20;
  config.torrents.number_of_peers = 100;
  return config;
}

/** A tracker that keeps nothing; `announce` may say something else, or nothing. */
function startTracker(announce: () => string | undefined = () => ANNOUNCE_BODY) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conns = new Set<Deno.Conn>();
  const serving = serve();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const conn of conns) close(conn);
      await serving;
    },
  };

  async function serve(): Promise<void> {
    const tasks: Promise<void>[] = [];
    for await (const conn of listener) {
      conns.add(conn);
      tasks.push(answer(conn).catch(() => {}).finally(() => close(conn)));
    }
    await Promise.all(tasks);
  }

  async function answer(conn: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(16384);
    let text = "";
    for (let read = await conn.read(buffer); read !== null; read = await conn.read(buffer)) {
      text += String.fromCharCode(...buffer.subarray(0, read));
      const requests = text.split("\r\n\r\n");
      text = requests.pop()!;
      for (const request of requests) {
        const body = request.startsWith("GET /scrape") ? SCRAPE_BODY : announce();
        if (body === undefined) continue;
        const response = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
        await conn.write(bytesOf(response));
        if (request.includes("Connection: close")) return;
      }
    }
  }

  function close(conn: Deno.Conn): void {
    if (conns.delete(conn)) conn.close();
  }
}
