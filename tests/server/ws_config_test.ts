/** The configuration of the WebTorrent tracker: defaults, what does not fit, foreign files. */
import assert from "node:assert/strict";
import { parseConfig, printConfig, WS_FILE } from "../../server/config/mod.ts";
import type { FileKind } from "../../server/config/file_kind.ts";
import { howReloads } from "../../server/config/reload.ts";
import { ConfigError } from "../../server/errors.ts";

const load = (text: string) => parseConfig(WS_FILE, text, { name: "riptide.toml" });

async function problemsOf(text: string): Promise<readonly string[]> {
  try {
    await load(text);
    return [];
  } catch (error) {
    assert(error instanceof ConfigError, String(error));
    return error.problems;
  }
}

Deno.test("the defaults of ws are printed and load back unchanged, without a warning", async () => {
  const { config, warnings } = await load("");
  assert.deepEqual(warnings, []);
  const text = printConfig(WS_FILE, config);
  const again = await load(text);
  assert.deepEqual(again.config, config);
  assert.deepEqual(again.warnings, []);
  assert.equal(printConfig(WS_FILE, again.config), text);
});

Deno.test("defaults of ws: a NAT of a thousand users, and messages of 128 KiB", async () => {
  const { network, protocol } = (await load("")).config;
  assert.ok(network.max_connections_per_address >= 1_000);
  assert.ok(network.websocket_max_message_size >= 128 * 1024);
  assert.equal(network.max_messages_per_second, 0);
  assert.equal(protocol.max_offers, 10);
  assert.equal(protocol.peer_announce_interval, 120);
});

Deno.test("what does not fit is named with both keys", async () => {
  const cases: [text: string, words: RegExp][] = [
    ["[network]\nenable_tls = true", /tls_certificate_path/],
    [
      '[network]\nenable_tls = true\nproxy_protocol = true\ntls_certificate_path = "a"\n' +
      'tls_private_key_path = "b"',
      /proxy_protocol.*enable_tls/,
    ],
    ["[network]\nwebsocket_max_unsent_size = 20000", /websocket_max_message_size/],
    ["[protocol]\nmax_offers = 101", /from 0 to 100/],
    ["[network]\nwebsocket_ping_interval = 0", /from 1 to 3600/],
  ];
  for (const [text, words] of cases) {
    const problems = await problemsOf(text);
    assert.ok(problems.some((problem) => words.test(problem)), problems.join("\n"));
  }
});

Deno.test("keys of aquatic_ws are taken where they mean the same, or explained", async () => {
  const text = [
    "socket_workers = 2",
    "[network]",
    'address = "127.0.0.1:3000"',
    "websocket_max_message_size = 65536",
    "[protocol]",
    "max_scrape_torrents = 50",
    "max_offers = 5",
    "peer_announce_interval = 90",
  ].join("\n");
  const { config } = await load(text);
  assert.equal(config.protocol.max_offers, 5);
  assert.equal(config.network.websocket_max_message_size, 65_536);
  for (
    const foreign of [
      "[network]\nwebsocket_max_frame_size = 16384",
      "[network]\nwebsocket_write_buffer_size = 8192",
      "[cleaning]\nmax_offer_age = 120",
      "[cleaning]\nmax_connection_idle = 180",
      "[metrics]\nrun_prometheus_endpoint = false",
      "swarm_workers = 1",
    ]
  ) {
    const [problem] = await problemsOf(foreign);
    assert.match(problem ?? "", /Riptide does not need it/, foreign);
  }
});

Deno.test("a short interval of announces is warned of", async () => {
  const { warnings } = await load("[protocol]\npeer_announce_interval = 20");
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /once a minute/);
});

Deno.test("limits and intervals of ws take effect at a reload, the rest does not", async () => {
  const { config } = await load("");
  const how = (key: string) => howReloads(WS_FILE as FileKind<unknown>, key);
  const keys = (["network", "protocol"] as const).flatMap((table) =>
    Object.keys(config[table]).map((key) => `${table}.${key}`)
  );
  assert.deepEqual(keys.filter((key) => how(key) === "yes").toSorted(), [
    "network.max_connections_per_address",
    "network.max_messages_per_second",
    "network.max_torrents_per_connection",
    "network.request_timeout",
    "network.trusted_proxies",
    "network.websocket_max_message_size",
    "network.websocket_max_unsent_size",
    "protocol.max_offers",
    "protocol.max_scrape_torrents",
    "protocol.peer_announce_interval",
  ]);
  assert.equal(how("network.max_connections"), "up to the start's");
});
