/** The keys of the UDP tracker: limits, what follows from others, and those of aquatic_udp. */

import assert from "node:assert/strict";
import { parse as parseToml } from "smol-toml";
import { UDP_SCHEMA } from "../../../server/config/mod.ts";
import { describe } from "../../../server/config/schema.ts";
import { keysOf, load, problemsOf, tryLimits, warningsOf } from "./harness.ts";

Deno.test("parseConfig() says why it needs no key of aquatic_udp's configuration", async () => {
  const aquatic = parseToml(AQUATIC_UDP) as Record<string, Record<string, unknown>>;
  const known = new Set(keysOf(describe(UDP_SCHEMA)).map(([key]) => key));
  const problems = await problemsOf(AQUATIC_UDP);
  const foreign = Object.entries(aquatic).flatMap(([table, keys]) =>
    ["privileges", "cpu_pinning"].includes(table) || typeof keys !== "object"
      ? [table]
      : Object.keys(keys).map((key) => `${table}.${key}`)
  ).filter((key) => !known.has(key));
  for (const key of foreign) {
    const line = problems.find((problem) => problem.includes(`"${key}"`));
    assert.match(line ?? key, /Riptide does not need it: /);
  }
  assert(!problems.some((problem) => problem.includes("a known key")), problems.join("\n"));
});

Deno.test("parseConfig() accepts every limit and nothing beyond", async () => {
  assert.equal(await tryLimits(describe(UDP_SCHEMA)), 11);
});

Deno.test("parseConfig() never sends more peers by default than at most", async () => {
  const config = await load("protocol.max_response_peers = 30");
  assert.equal(config.protocol.default_response_peers, 30);
});

Deno.test("parseConfig() takes one address for a list and spells it in one way", async () => {
  const config = await load(`
    network.address = "[0:0::1]:80"
    network.client_subnets = ["192.0.2.1", "2001:DB8::/32"]`);
  assert.deepEqual(config.network.address, ["[::1]:80"]);
  assert.deepEqual(config.network.client_subnets, ["192.0.2.1/32", "2001:db8::/32"]);
  await load(`network.address = ["127.0.0.1:0", "127.0.0.1:0"]`);
});

Deno.test("parseConfig() accepts short ages and intervals with a warning", async () => {
  const cases: [string, RegExp | undefined][] = [
    ["protocol.peer_announce_interval = 59", /^riptide.toml:1: With .* = 59 clients will announce/],
    ["protocol.peer_announce_interval = 60", undefined],
    [
      "protocol.peer_announce_interval = 1201",
      /:1: With "cleaning.max_peer_age" = 1800 with .*1201/,
    ],
    ["cleaning.max_peer_age = 1499", /With "cleaning.max_peer_age" = 1499 clients that/],
    ["cleaning.max_peer_age = 1500", undefined],
    ["cleaning.max_peer_age = 3", /= 3 with .* peers will be forgotten before they announce again/],
    ["cleaning.max_connection_age = 59", /= 59 clients use a connection id for a minute/],
    ["cleaning.max_connection_age = 60", undefined],
    [`network.client_subnets = "10.0.0.0/8"`, /nobody who asks \[::\]:3000 will get an answer/],
  ];
  for (const [text, expected] of cases) {
    const warnings = await warningsOf(text);
    if (expected === undefined) assert.deepEqual(warnings, []);
    else {
      assert.equal(warnings.length, 1, text);
      assert.match(warnings[0]!, expected);
    }
  }
});

/** The keys of aquatic_udp 0.9 (`aquatic_udp -p`) and of versions before and after it. */
const AQUATIC_UDP = `
socket_workers = 1
swarm_workers = 1
request_workers = 1
request_channel_size = 0
log_level = "error"
[network]
address = "0.0.0.0:3000"
only_ipv6 = false
use_ipv4 = true
use_ipv6 = true
address_ipv4 = "0.0.0.0:3000"
address_ipv6 = "[::]:3000"
socket_recv_buffer_size = 0
poll_timeout_ms = 50
poll_event_capacity = 4096
use_io_uring = true
ring_size = 128
resend_buffer_max_len = 0
[protocol]
max_scrape_torrents = 70
max_response_peers = 30
peer_announce_interval = 900
[statistics]
interval = 5
torrent_peer_histograms = false
peer_clients = false
print_to_stdout = false
write_html_to_file = false
html_file_path = "tmp/statistics.html"
run_prometheus_endpoint = false
prometheus_endpoint_address = "0.0.0.0:9000"
prometheus_peer_id_prefixes = false
[cleaning]
torrent_cleaning_interval = 120
max_connection_age = 120
max_peer_age = 1200
[privileges]
drop_privileges = false
chroot_path = "."
group = "nogroup"
user = "nobody"
[access_list]
mode = "off"
path = "./access-list.txt"
[cpu_pinning]
active = false
`;
