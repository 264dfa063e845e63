/** Entries of the access list with a reason, an end, and comments, over every protocol. */
import { strict as assert } from "node:assert";
import { within } from "../../support/deadline.ts";
import { announceHttp, announceRefusal } from "../../support/http_announce.ts";
import { randomBytes } from "../../support/packets.ts";
import { runFailing, startServer } from "../../support/server.ts";
import { UdpClient } from "../../support/udp_client.ts";

const CONFIGURATION = {
  udp: { network: { address: "127.0.0.1:0" } },
  http: { network: { address: "127.0.0.1:0" } },
};

async function withList(
  mode: string,
  list: string,
  use: (ask: (infoHash: Uint8Array) => Promise<string[]>) => Promise<void>,
): Promise<void> {
  await using server = await startServer({
    driver: "tracker",
    files: { "list.txt": list },
    configuration: (directory) => ({
      ...CONFIGURATION,
      access_list: { mode, path: `${directory}/list.txt` },
    }),
  });
  await using udp = new UdpClient("127.0.0.1", server.addressOf("udp"));
  await udp.connect();
  const http = server.addressOf("http");
  /** What UDP and HTTP say; "served" for an answer. */
  await use(async (infoHash) => {
    await udp.send(udp.announcePacket({ infoHash }));
    const reply = await udp.receive();
    const overUdp = reply.kind === "error" ? reply.message : "served";
    const overHttp = await announceHttp(http, { infoHash }).then(
      () => "served",
      () => announceRefusal(http, { infoHash }),
    );
    return [overUdp, overHttp];
  });
}

Deno.test("a refused client is told the entry's reason, others the usual one", async () => {
  const [plain, reasoned, commented, quoted, free] = Array.from(
    { length: 5 },
    () => randomBytes(20),
  ) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const list = [
    "# a list",
    plain.toHex(),
    `${reasoned.toHex()} reason="Taken down: case 12"`,
    `${commented.toHex()}  # reason="this is a comment"`,
    `\t${quoted.toHex().toUpperCase()}\treason="It's \\"#1\\", gone" # yes\r`,
  ].join("\n");
  await withList("black", list, async (ask) => {
    const [usual] = await ask(plain);
    assert.deepEqual(await ask(commented), await ask(plain));
    assert.notEqual(usual, "served");
    assert.deepEqual(await ask(reasoned), Array(2).fill("Taken down: case 12"));
    assert.deepEqual(await ask(quoted), Array(2).fill('It\'s "#1", gone'));
    assert.deepEqual(await ask(free), ["served", "served"]);
  });
});

Deno.test("an entry counts until its end", async () => {
  const [over, holds] = [randomBytes(20), randomBytes(20)];
  const list = [
    `${over.toHex()} until=2001-01-01 reason="Over"`,
    `${holds.toHex()} until=2100-01-01T00:00:00Z`,
  ].join("\n");
  await withList("black", list, async (ask) => {
    assert.deepEqual(await ask(over), ["served", "served"]);
    assert.notDeepEqual(await ask(holds), ["served", "served"]);
  });
  await withList("white", list, async (ask) => {
    assert.deepEqual(await ask(over), ["Over", "Over"]);
    assert.deepEqual(await ask(holds), ["served", "served"]);
  });
});

Deno.test("an end comes while the tracker runs", async () => {
  const infoHash = randomBytes(20);
  const until = new Date(Math.ceil(Date.now() / 1000 + 3) * 1000).toISOString();
  const list = `${infoHash.toHex()} until=${until.replace(".000", "")}`;
  await withList("black", list, async (ask) => {
    assert.notDeepEqual(await ask(infoHash), ["served", "served"]);
    while (Date.now() < Date.parse(until) + 500) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.deepEqual(await ask(infoHash), ["served", "served"]);
  });
});

Deno.test("entries whose time is over are not counted, also when it comes", async () => {
  const until = new Date(Math.ceil(Date.now() / 1000 + 4) * 1000).toISOString();
  await using server = await startServer({
    driver: "tracker",
    files: {
      "list.txt": `${randomBytes(20).toHex()} until=2001-01-01
${randomBytes(20).toHex()} until=${until.replace(".000", "")}
${randomBytes(20).toHex()}\n`,
    },
    configuration: (directory) => ({
      ...CONFIGURATION,
      cleaning: { torrent_cleaning_interval: 1 },
      access_list: { mode: "black", path: `${directory}/list.txt` },
      metrics: { address: "127.0.0.1:0" },
    }),
  });
  const told = server.records.find(({ category }) => category === "access")!;
  assert.equal(
    told.message,
    "Access list is black with 2 torrents, and 1 whose time is over; 0 ranges of clients are " +
      "denied",
  );
  const metrics = server.records.find(({ message }) => message.startsWith("Metrics are on "))!;
  const count = async () => {
    const response = await fetch(`http://${metrics.properties.address}/metrics`);
    return Number(
      /^riptide_access_list_entries\{type="torrents"\} (\d+)$/m
        .exec(await response.text())![1],
    );
  };
  assert.equal(await count(), 2);
  await within(
    (async () => {
      while (await count() !== 1) await new Promise((resolve) => setTimeout(resolve, 100));
    })(),
    { deadlineMs: 30_000, what: "the count without the entry that has ended" },
  );
  assert.ok(Date.now() >= Date.parse(until));
});

Deno.test("details that cannot be read are told with their line", async () => {
  const cases = [
    ['reason="no end', /list\.txt:2: Cannot read .*: expected reason="…" or until=/],
    ["until=tomorrow", /list\.txt:2: .*expected a time in UTC/],
    [`reason="${"x".repeat(101)}"`, /list\.txt:2: .*expected a reason of 1 to 100 bytes/],
    ["colour=blue", /list\.txt:2: .*expected reason or until/],
    [`reason="a" reason="b"`, /list\.txt:2: .*each once/],
  ] as const;
  for (const [details, expected] of cases) {
    await using server = await runFailing({
      driver: "tracker",
      files: { "list.txt": `# list\n${randomBytes(20).toHex()} ${details}\n` },
      configuration: (directory) => ({
        ...CONFIGURATION,
        access_list: { mode: "black", path: `${directory}/list.txt` },
      }),
    });
    assert.equal((await server.ended).code, 78);
    assert.match(server.log, expected);
  }
});
