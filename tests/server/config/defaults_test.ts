/** The default file: printed, commented, and loaded again. */

import assert from "node:assert/strict";
import { loadConfig, printConfig, UDP_FILE } from "../../../server/config/mod.ts";
import { load, warningsOf } from "./harness.ts";

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
