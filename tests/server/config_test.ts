/** Configuration: the default file, every kind of mistake, and the messages operators get. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { parse as parseToml } from "smol-toml";
import {
  changedKeys,
  formatCidr,
  formatListenAddress,
  loadConfig,
  parseCidr,
  parseConfig,
  parseListenAddress,
  printConfig,
  UDP_FILE,
  UDP_SCHEMA,
  type UdpConfig,
} from "../../server/config/mod.ts";
import { describe, type Node } from "../../server/config/schema.ts";
import { editDistance, nearest } from "../../server/config/suggest.ts";
import { ConfigError } from "../../server/errors.ts";

const NAME = "riptide.toml";

async function load(text: string): Promise<UdpConfig> {
  return (await parseConfig(UDP_FILE, text, { name: NAME })).config;
}

async function warningsOf(text: string): Promise<string[]> {
  return (await parseConfig(UDP_FILE, text, { name: NAME })).warnings;
}

async function problemsOf(text: string): Promise<readonly string[]> {
  try {
    await load(text);
    return [];
  } catch (error) {
    assert(error instanceof ConfigError, String(error));
    assert.equal(error.exitStatus, 78);
    return error.problems;
  }
}

function keysOf(node: Node & { kind: "table" }, path: string[] = []): [string, Node][] {
  return [...node.children].flatMap(([key, child]): [string, Node][] =>
    child.kind === "table" ? keysOf(child, [...path, key]) : [[[...path, key].join("."), child]]
  );
}

Deno.test("printConfig() prints defaults that load back unchanged", async () => {
  const config = await load("");
  const text = printConfig(UDP_FILE, config);
  assert.deepEqual(await load(text), config);
  assert.deepEqual(await warningsOf(text), []);
  assert.equal(printConfig(UDP_FILE, await load(text)), text);
  assert.deepEqual(config, {
    socket_workers: 1,
    log_level: "info",
    log_format: "auto",
    network: {
      address: ["0.0.0.0:3000", "[::]:3000"],
      io: "deno",
      client_subnets: ["0.0.0.0/0", "::/0"],
      socket_recv_buffer_size: 0,
    },
    protocol: {
      max_scrape_torrents: 70,
      max_response_peers: 200,
      default_response_peers: 50,
      peer_announce_interval: 900,
    },
    cleaning: { torrent_cleaning_interval: 60, max_peer_age: 1800, max_connection_age: 120 },
    access_list: { mode: "off", path: "", deny_clients: [], deny_clients_path: "" },
    memory: { limit_mib: 1024 },
    statistics: { interval: 60 },
    metrics: { address: "", token: "" },
  });
});

Deno.test("printConfig() comments every key and keeps lines short", async () => {
  const lines = printConfig(UDP_FILE, await load("")).split("\n");
  for (const [index, line] of lines.entries()) {
    assert(line.length <= 100, line);
    if (/^\w+ =/.test(line)) assert.match(lines[index - 1]!, /^# /);
  }
});

Deno.test("printConfig() prints other values, which load back unchanged", async () => {
  const prefixes = Array.from({ length: 40 }, (_, index) => `10.${index}.0.0/16`);
  const config = await load(`
    network = { address = "127.0.0.1:0", io = "native" }
    access_list = { mode = "black", path = 'C:\\tmp "x"', deny_clients = ${
    JSON.stringify(prefixes)
  } }`);
  const text = printConfig(UDP_FILE, config);
  assert.deepEqual(await load(text), config);
  assert.match(text, /Default: "deno"/);
});

Deno.test("loadConfig() without a file gives the defaults", async () => {
  const { config, warnings } = await loadConfig(UDP_FILE, undefined);
  assert.deepEqual(config, await load(""));
  assert.deepEqual(warnings, []);
  const overrides = { "network.io": "native" };
  assert.equal((await loadConfig(UDP_FILE, undefined, { overrides })).config.network.io, "native");
});

/** The text of a file, and the one line that is said about it. */
const MISTAKES: [string, string][] = [
  // Unknown keys
  [
    `log_levl = "info"`,
    `:1: Cannot use "log_levl" = "info": expected a known key; ` +
    `did you mean "log_level"`,
  ],
  [
    `[network]\nadress = "[::]:1"`,
    `:2: Cannot use "network.adress" = "[::]:1": ` +
    `expected a known key; did you mean "network.address"`,
  ],
  [
    `max_peer_age = 3`,
    `:1: Cannot use "max_peer_age" = 3: expected a known key; ` +
    `did you mean "cleaning.max_peer_age"`,
  ],
  [
    `[network]\n\nlog_level = "info"`,
    `:3: Cannot use "network.log_level" = "info": ` +
    `expected a known key; did you mean "log_level", above the first table`,
  ],
  [
    `[networks]\nio = "deno"`,
    `:1: Cannot use table "networks": expected a known key; ` +
    `did you mean "network"`,
  ],
  [
    `[statistics]\nqqqqqq = 1`,
    `:2: Cannot use "statistics.qqqqqq" = 1: ` +
    `expected a known key: interval`,
  ],
  [
    `__proto__ = 1`,
    `:1: Cannot use "__proto__" = 1: expected a known key: socket_workers, ` +
    `log_level, log_format, network, protocol, cleaning, access_list, memory, statistics, metrics`,
  ],
  // Wrong types and values
  [
    `[network]\nio = "nativ"`,
    `:2: Cannot use "network.io" = "nativ": ` +
    `expected "deno" or "native"; did you mean "native"`,
  ],
  [
    `log_level = "WARNING"`,
    `:1: Cannot use "log_level" = "WARNING": ` +
    `expected "error", "warn", "info" or "debug"; did you mean "warn"`,
  ],
  [
    `access_list.mode = "deny"`,
    `:1: Cannot use "access_list.mode" = "deny": ` +
    `expected "off", "black" or "white"; did you mean "black"`,
  ],
  [
    `memory.limit_mib = "512"`,
    `:1: Cannot use "memory.limit_mib" = "512": ` +
    `expected a whole number of MiB from 16 to 4096; did you mean 512`,
  ],
  [
    `memory.limit_mib = 512.5`,
    `:1: Cannot use "memory.limit_mib" = 512.5: ` +
    `expected a whole number of MiB from 16 to 4096`,
  ],
  [
    `memory.limit_mib = nan`,
    `:1: Cannot use "memory.limit_mib" = NaN: ` +
    `expected a whole number of MiB from 16 to 4096`,
  ],
  [
    `memory.limit_mib = 99999999999999999999`,
    `:1: Cannot use "memory.limit_mib" = ` +
    `99999999999999999999: expected a whole number of MiB from 16 to 4096`,
  ],
  [`memory = 512`, `:1: Cannot use "memory" = 512: expected a table, [memory]`],
  [
    `[[memory]]\nlimit_mib = 512`,
    `:1: Cannot use "memory" = [{"limit_mib":512}]: ` +
    `expected a table, [memory]`,
  ],
  [
    `access_list.path = 3`,
    `:1: Cannot use "access_list.path" = 3: ` +
    `expected the path of a file`,
  ],
  [
    `access_list.path = "a\\u0000"`,
    `:1: Cannot use "access_list.path" = "a\\u0000": ` +
    `expected the path of a file, without control characters`,
  ],
  // Addresses
  [
    `network.address = "::1:3000"`,
    `:1: Cannot use "network.address" = "::1:3000": ` +
    `expected an IPv6 address in brackets; did you mean "[::1]:3000"`,
  ],
  [
    `network.address = [\n"0.0.0.0:1",\n"[::]"]`,
    `:3: Cannot use "network.address" = "[::]": ` +
    `expected a port as well; did you mean "[::]:3000"`,
  ],
  [
    `network.address = "localhost:3000"`,
    `:1: Cannot use "network.address" = "localhost:3000": ` +
    `expected an IP address with a port, such as "0.0.0.0:3000" or "[::]:3000"`,
  ],
  [
    `network.address = 3000`,
    `:1: Cannot use "network.address" = 3000: expected an IP address ` +
    `with a port, such as "0.0.0.0:3000" or "[::]:3000", or a list of them`,
  ],
  [
    `network.address = []`,
    `:1: Cannot use "network.address" = []: expected at least 1: ` +
    `an IP address with a port, such as "0.0.0.0:3000" or "[::]:3000"`,
  ],
  [
    `network.address = ["[::]:1", "[::0]:1"]`,
    `:1: Cannot use "network.address" = ` +
    `["[::]:1","[::]:1"]: expected each address once, and "[::]:1" is there twice`,
  ],
  // Prefixes
  [
    `network.client_subnets = "10/8"`,
    `:1: Cannot use "network.client_subnets" = "10/8": ` +
    `expected a prefix such as "192.0.2.0/24" or "2001:db8::/32"`,
  ],
  [
    `access_list.deny_clients = ["10.0.0.1/8"]`,
    `:1: Cannot use "access_list.deny_clients" = ` +
    `"10.0.0.1/8": expected no bits set after the first 8; did you mean "10.0.0.0/8"`,
  ],
  // Keys that contradict each other
  [
    `socket_workers = 2`,
    `:1: Cannot use "socket_workers" = 2 with "network.io" = "deno": ` +
    `expected 1 worker, as Deno cannot share a UDP port between threads, or network.io = "native"`,
  ],
  [
    `network.socket_recv_buffer_size = 8000000`,
    `:1: Cannot use ` +
    `"network.socket_recv_buffer_size" = 8000000 with "network.io" = "deno": expected 0, as Deno ` +
    `cannot set the size of a socket's buffer, or network.io = "native"`,
  ],
  [
    `[protocol]\ndefault_response_peers = 201`,
    `:2: Cannot use ` +
    `"protocol.default_response_peers" = 201 with "protocol.max_response_peers" = 200: ` +
    `expected at most as many by default as at all`,
  ],
  [
    `[cleaning]\n\ntorrent_cleaning_interval = 65000`,
    `:3: Cannot use "cleaning.max_peer_age" = ` +
    `1800 with "cleaning.torrent_cleaning_interval" = 65000: expected a sum of at most 64935 ` +
    `seconds, and this is 66800`,
  ],
  [
    `access_list.mode = "white"`,
    `:1: Cannot use "access_list.mode" = "white" with ` +
    `"access_list.path" = "": expected the path of a list`,
  ],
  // TOML
  [
    `[network]\naddress = 0.0.0.0:3000`,
    `:2: Cannot read "address = 0.0.0.0:3000" as TOML: ` +
    `illegal character in numeric literal at column 14; did you mean "0.0.0.0:3000"`,
  ],
  [
    `log_level = warn`,
    `:1: Cannot read "log_level = warn" as TOML: ` +
    `invalid value at column 13; did you mean "warn"`,
  ],
  [`[network\n`, `:1: Cannot read "[network" as TOML: illegal character in key at column 9`],
];

for (const [text, message] of MISTAKES) {
  Deno.test(`parseConfig() explains ${JSON.stringify(text)}`, async () => {
    assert.deepEqual(await problemsOf(text), [NAME + message]);
  });
}

Deno.test("parseConfig() reports all mistakes of a file in its order", async () => {
  const problems = await problemsOf(`
socket_workers = 0
request_workers = 2
[memory]
limit_mib = 1
[network]
io = "native"
address = ["x", "0.0.0.0:1", "y"]
[cleaning]
max_peer_age = 65500
`);
  assert.deepEqual(
    problems.map((problem) => /^riptide.toml:(\d+): Cannot use "([\w.]+)"/.exec(problem)?.slice(1)),
    [
      ["2", "socket_workers"],
      ["3", "request_workers"],
      ["5", "memory.limit_mib"],
      ["8", "network.address"],
      ["8", "network.address"],
      ["10", "cleaning.max_peer_age"],
    ],
  );
});

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
  let keyCount = 0;
  for (const [key, node] of keysOf(describe(UDP_SCHEMA))) {
    const limits = node.kind === "key"
      ? / from (\d+) to (\d+)(?:, or "auto")?$/.exec(node.info.expected)
      : null;
    if (limits === null) continue;
    keyCount++;
    const [min, max] = [Number(limits[1]), Number(limits[2])];
    const isRefused = async (value: number) =>
      (await problemsOf(`${key} = ${value}`)).some((problem) => problem.includes("a whole number"));
    assert.equal(await isRefused(min), false, key);
    assert.equal(await isRefused(max), false, key);
    assert.equal(await isRefused(min - 1), true, key);
    assert.equal(await isRefused(max + 1), true, key);
  }
  assert.equal(keyCount, 11);
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

Deno.test("parseConfig() gives a configuration or a ConfigError for any text", async () => {
  const text = printConfig(UDP_FILE, await load(""));
  const mutated = fc.tuple(
    fc.integer({ min: 0, max: text.length }),
    fc.integer({ min: 0, max: 30 }),
    fc.oneof(
      fc.string({ maxLength: 20 }),
      fc.constantFrom(
        "[",
        "]",
        '"',
        "=",
        "\n[memory]\n",
        "\nmemory = 3\n",
        "1e9",
        "{a=1}",
        "[[x]]",
      ),
    ),
  ).map(([at, removed, added]) => text.slice(0, at) + added + text.slice(at + removed));
  await fc.assert(
    fc.asyncProperty(fc.oneof(mutated, fc.string()), async (input) => {
      for (const problem of await problemsOf(input)) {
        assert.match(problem, /^riptide\.toml(:\d+)?: Cannot (use|read) /);
      }
    }),
    { numRuns: 400 },
  );
});

Deno.test("loadConfig() says why a file cannot be read", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const isSaid = async (path: string, expected: RegExp) => {
      await assert.rejects(
        () => loadConfig(UDP_FILE, path),
        (error) => error instanceof ConfigError && expected.test(error.message),
      );
    };
    await isSaid(`${directory}/none.toml`, /none.toml": there is no such file; `main.ts udp -p`/);
    await isSaid(directory, /is a directory$/);
    await Deno.writeFile(`${directory}/latin1.toml`, Uint8Array.of(0x23, 0xe9, 0x0a));
    await isSaid(`${directory}/latin1.toml`, /it is not UTF-8 text$/);
    await Deno.writeTextFile(`${directory}/bom.toml`, "\ufeffsocket_workers = 1\r\n");
    await loadConfig(UDP_FILE, `${directory}/bom.toml`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("parseListenAddress() and formatListenAddress() agree", () => {
  for (const text of ["0.0.0.0:0", "255.1.2.3:65535", "[::]:3000", "[2001:db8::1]:1"]) {
    assert.equal(formatListenAddress(parseListenAddress(text)), text);
  }
  assert.deepEqual(parseListenAddress("[0::1]:80"), { hostname: "::1", port: 80, family: 6 });
  const bad = ["", ":1", "1.2.3:1", "01.2.3.4:1", "0x1.2.3.4:1", "1.2.3.4:", "1.2.3.4:65536", "::"];
  bad.push("[1.2.3.4]:1", "[::1]", "::1", "[fe80::1%eth0]:1", "[::ffff:1.2.3.4]:1", "1.2.3.4:1 ");
  for (const text of bad) assert.throws(() => parseListenAddress(text), SyntaxError, text);
});

Deno.test("parseCidr() and formatCidr() agree", () => {
  for (const text of ["0.0.0.0/0", "10.0.0.0/8", "1.2.3.4/32", "::/0", "fe80::/10", "::1/128"]) {
    assert.equal(formatCidr(parseCidr(text)), text);
  }
  assert.deepEqual(parseCidr("192.0.2.128/25"), {
    bytes: Uint8Array.of(192, 0, 2, 128),
    prefixLength: 25,
    family: 4,
  });
  const bad = ["", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "::/-1", "10.0.0.0/8/8", "10.0.0/8"];
  bad.push("10.0.0.1/31", "2001:db8::1/64", "::ffff:1.2.3.4/128", "10.0.0.0/1e1", "a/8", "::1%1/8");
  for (const text of bad) assert.throws(() => parseCidr(text), SyntaxError, text);
});

Deno.test("nearest() finds slips and nothing far-fetched", () => {
  assert.equal(editDistance("adress", "address"), 1);
  assert.equal(editDistance("ab", "ba"), 1);
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(nearest("nativ", ["deno", "native"]), "native");
  assert.equal(nearest("epoll", ["deno", "native"]), undefined);
});

Deno.test("changedKeys() names what differs", async () => {
  const before = await load("");
  const after = await load(`log_level = "debug"\nnetwork.address = "[::]:1"`);
  assert.deepEqual(changedKeys(before, after), ["log_level", "network.address"]);
  assert.deepEqual(changedKeys(before, before), []);
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
