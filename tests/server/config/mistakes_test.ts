/** Every kind of mistake, and the messages that operators get. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { loadConfig, printConfig, UDP_FILE } from "../../../server/config/mod.ts";
import { ConfigError } from "../../../server/errors.ts";
import { load, NAME, problemsOf } from "./harness.ts";

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
