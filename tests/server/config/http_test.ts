/** The keys of the HTTP tracker: defaults, limits, what follows from others, and its mistakes. */

import assert from "node:assert/strict";
import { HTTP_FILE, HTTP_SCHEMA, printConfig } from "../../../server/config/mod.ts";
import { describe } from "../../../server/config/schema.ts";
import { loadAs, NAME, problemsOf, tryLimits, warningsOf } from "./harness.ts";

const load = (text: string) => loadAs(HTTP_FILE, text);

Deno.test("HTTP: the defaults are those of its pages, and load back unchanged", async () => {
  const config = await load("");
  const text = printConfig(HTTP_FILE, config);
  assert.deepEqual(await load(text), config);
  assert.deepEqual(await warningsOf(text, HTTP_FILE), []);
  assert.deepEqual(config.network, {
    address: ["0.0.0.0:3000", "[::]:3000"],
    io: "deno",
    enable_tls: false,
    tls_certificate_path: "",
    tls_private_key_path: "",
    keep_alive: true,
    keep_alive_timeout: 60,
    request_timeout: 25,
    max_requests_per_connection: 1_000_000,
    max_connections: 16_384,
    max_connections_per_address: 8_192,
    trusted_proxies: [],
    proxy_protocol: false,
  });
  assert.deepEqual(config.protocol, {
    max_scrape_torrents: 100,
    max_peers: 200,
    default_peers: 50,
    peer_announce_interval: 900,
    min_announce_interval: 300,
    peer_ids: false,
    same_family_only: false,
    external_ip: false,
    cors: false,
  });
});

Deno.test("HTTP: every limit is accepted and nothing beyond", async () => {
  assert.equal(await tryLimits(describe(HTTP_SCHEMA), HTTP_FILE), 15);
});

Deno.test("HTTP: what is not given follows what is", async () => {
  assert.equal((await load("protocol.max_peers = 30")).protocol.default_peers, 30);
  const { protocol } = await load("protocol.peer_announce_interval = 101");
  assert.equal(protocol.min_announce_interval, 51);
  const { network } = await load("network.max_connections = 100");
  assert.equal(network.max_connections_per_address, 100);
});

Deno.test("HTTP: addresses may be UNIX sockets, and are spelled in one way", async () => {
  const { network } = await load('network.address = ["[0:0::1]:80", "unix:/run/riptide.sock"]');
  assert.deepEqual(network.address, ["[::1]:80", "unix:/run/riptide.sock"]);
});

const TLS = 'enable_tls = true\ntls_certificate_path = "c"\ntls_private_key_path = "k"\n';

/** The text of a file, and the one thing that is said about it. */
const MISTAKES: [string, RegExp][] = [
  [
    "[network]\nenable_tls = true\ntls_private_key_path = 'k'",
    /expected the path of a certificate/,
  ],
  [
    "[network]\nenable_tls = true\ntls_certificate_path = 'c'",
    /expected the path of a private key/,
  ],
  [`[network]\n${TLS}proxy_protocol = true`, /expected one of the two, as TLS begins/],
  [`[network]\n${TLS}address = "unix:/run/a"`, /expected no UNIX socket with TLS/],
  ["network.address = 'unix:a'", /expected an absolute path after "unix:"/],
  ["protocol.max_peers = 5\nprotocol.default_peers = 6", /expected at most as many by default/],
  ["protocol.peer_announce_interval = 60\nprotocol.min_announce_interval = 61", /a shorter time/],
  ["network.trusted_proxies = ['10.0.0.1/8']", /no bits set after the first 8/],
  ["network.client_subnets = ['10.0.0.0/8']", /expected a known key/],
];
for (const [text, expected] of MISTAKES) {
  Deno.test(`HTTP: parseConfig() explains ${JSON.stringify(text)}`, async () => {
    const problems = await problemsOf(text, HTTP_FILE);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.ok(problems[0]!.startsWith(NAME), problems[0]);
    assert.match(problems[0]!, expected);
  });
}

Deno.test("HTTP: what is odd and works is warned of", async () => {
  const cases: [string, RegExp | undefined][] = [
    ["network.proxy_protocol = true", /whoever can connect can claim to be any client/],
    ["[network]\nproxy_protocol = true\ntrusted_proxies = '10.0.0.0/8'", undefined],
    ["network.tls_certificate_path = 'c'", /no TLS is served/],
    ["protocol.min_announce_interval = 29", /more often than every 30 seconds/],
    ["protocol.min_announce_interval = 30", undefined],
  ];
  for (const [text, expected] of cases) {
    const warnings = await warningsOf(text, HTTP_FILE);
    assert.equal(warnings.length, expected === undefined ? 0 : 1, `${text}: ${warnings}`);
    if (expected !== undefined) assert.match(warnings[0]!, expected);
  }
});

Deno.test("HTTP: parseConfig() says why it needs no key of aquatic_http", async () => {
  const keys = [
    "network.tcp_backlog",
    "network.runs_behind_reverse_proxy",
    "metrics.run_prometheus_endpoint",
    "metrics.torrent_count_update_interval",
  ];
  for (const key of keys) {
    const [problem] = await problemsOf(`${key} = 1`, HTTP_FILE);
    assert.match(problem!, /Riptide does not need it: /);
  }
});
