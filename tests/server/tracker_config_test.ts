/** The file of a tracker of several protocols: its tables are those of the protocols' own files. */
import { strict as assert } from "node:assert";
import { applyReload, loadConfig, parseConfig, printConfig } from "../../server/config/mod.ts";
import { TRACKER_FILE } from "../../server/config/mod.ts";
import { ConfigError } from "../../server/errors.ts";

const parse = (text: string) => parseConfig(TRACKER_FILE, text, { name: "riptide.toml" });

async function problemsOf(text: string): Promise<readonly string[]> {
  try {
    await parse(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

Deno.test("without a file all protocols are on, and what is printed loads back", async () => {
  const { config } = await loadConfig(TRACKER_FILE, undefined);
  assert(config.udp !== undefined && config.http !== undefined);
  const text = printConfig(TRACKER_FILE, config);
  for (const table of ["[udp]", "[http]", "[udp.network]", "[memory]", "[cleaning]"]) {
    assert(text.includes(`\n${table}\n`), table);
  }
  assert.deepEqual((await parse(text)).config, config);
});

Deno.test("a table that is absent is off, and at least one is needed", async () => {
  const { config } = await parse("[http]");
  assert.equal(config.udp, undefined);
  const [problem] = await problemsOf("log_level = 'info'");
  assert.match(problem!, /expected at least one of the tables/);
});

Deno.test("mistakes in a protocol's table are told with their line and whole key", async () => {
  assert.deepEqual(
    await problemsOf(`[udp]
socket_workers = 2
[http.network]
enable_tls = true
[http.protocol]
max_peers = "many"
`),
    [
      'riptide.toml:2: Cannot use "udp.socket_workers" = 2 with "udp.network.io" = "deno": ' +
      "expected 1 worker, as Deno cannot share a UDP port between threads, or network.io = " +
      '"native"',
      'riptide.toml:4: Cannot use "http.network.enable_tls" = true with ' +
      '"http.network.tls_certificate_path" = "": expected the path of a certificate',
      'riptide.toml:6: Cannot use "http.protocol.max_peers" = "many": expected a whole number of ' +
      "peers from 0 to 1000",
    ],
  );
});

Deno.test("what shared tables get wrong is told once", async () => {
  const problems = await problemsOf(`[udp]
[http]
[access_list]
mode = "black"
`);
  assert.deepEqual(problems, [
    'riptide.toml:4: Cannot use "access_list.mode" = "black" with "access_list.path" = "": ' +
    "expected the path of a list",
  ]);
});

Deno.test("all workers together must fit", async () => {
  const [problem] = await problemsOf(`[udp]
socket_workers = 40
network = { io = "native" }
[http]
socket_workers = 30
`);
  assert.match(problem!, /expected at most 62 workers in all, and these are 70/);
});

Deno.test("a reload applies what may change, and leaves the rest for the next start", async () => {
  const { config: started } = await parse("[udp]\n[http]");
  const { config: fresh } = await parse(`[udp]
protocol = { peer_announce_interval = 1000 }
[http]
protocol = { max_peers = 900 }
network = { address = "127.0.0.1:1" }
`);
  const { config, changes } = applyReload(TRACKER_FILE, { started, current: started, fresh });
  assert.deepEqual(changes.map(({ key, isApplied }) => [key, isApplied]), [
    ["udp.protocol.peer_announce_interval", true],
    ["http.network.address", false],
    ["http.protocol.max_peers", false],
  ]);
  assert.equal(config.udp!.protocol.peer_announce_interval, 1000);
  assert.deepEqual(config.http!.network.address, started.http!.network.address);
  assert.equal(started.udp!.protocol.peer_announce_interval, 900, "the start's is not touched");
});
