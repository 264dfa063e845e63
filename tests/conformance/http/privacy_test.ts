/** What log and metrics never show: info hashes, peer ids, passkeys, addresses of clients. */
import { strict as assert } from "node:assert";
import { HttpConnection } from "../../support/http_client.ts";
import { announceTarget, scrapeTarget, writeRequest } from "../../support/http_messages.ts";
import { forEachWay, HttpServer } from "../../support/http_suite.ts";
import { ascii } from "../../support/packets.ts";
import type { Server } from "../../support/server.ts";

const INFO_HASH = ascii("SecretInfoHash-aaaaa");
const PEER_ID = ascii("-XX0001-SecretPeerId");
const PASSKEY = "SecretPasskey";
const CLIENT = "203.0.113.77";

/** In every way that somebody might write them. */
const SECRETS = [
  "Secret",
  INFO_HASH.toHex(),
  PEER_ID.toHex(),
  ...[INFO_HASH, PEER_ID].map((bytes) =>
    Array.from(bytes, (byte) => `%${byte.toString(16)}`).join("")
  ),
  CLIENT,
  "203, 0, 113, 77",
];

forEachWay((way) => {
  Deno.test(`log and metrics show nothing of who asked for what [${way}]`, async () => {
    const server = await HttpServer.start(way, {
      configuration: (directory) => ({
        log_level: "debug",
        statistics: { interval: 1 },
        metrics: { address: "127.0.0.1:0" },
        network: {
          address: "127.0.0.1:0",
          trusted_proxies: ["127.0.0.0/8"],
          max_connections: 4,
          request_timeout: 1,
        },
        access_list: { mode: "black", path: `${directory}/list`, deny_clients: ["198.51.100.7"] },
      }),
      files: { list: `${INFO_HASH.toHex()}\n` },
    });
    let shown = "";
    try {
      const endpoint = server.endpoint();
      const headers = [`X-Forwarded-For: ${CLIENT}`];
      const allowed = ascii("SecretInfoHash-bbbbb");
      const targets = [
        announceTarget({ info_hash: INFO_HASH, peer_id: PEER_ID }), // not allowed
        announceTarget({ info_hash: allowed, peer_id: PEER_ID }),
        announceTarget({ info_hash: allowed, peer_id: PEER_ID, port: 0 }), // a failure
        scrapeTarget([INFO_HASH, allowed]),
        `/${PASSKEY}${announceTarget({ info_hash: allowed, peer_id: PEER_ID })}`,
        `/${PASSKEY}/nothing`,
      ];
      for (const target of targets) {
        await using client = await HttpConnection.open(endpoint);
        await client.request(target, { headers });
      }
      for (
        const bad of ["X-Forwarded-For: Secret", "X: a\0Secret", "Host: Secret\r\nHost: Secret"]
      ) {
        await using client = await HttpConnection.open(endpoint);
        await client.send(writeRequest(targets[0], { headers: [bad] }));
        await client.readRest();
      }
      // A denied client, one that is reset, a slow one, and one too many.
      await using denied = await HttpConnection.open(endpoint);
      await denied.send(writeRequest(targets[1], { headers: ["X-Forwarded-For: 198.51.100.7"] }));
      await denied.readRest();
      await using slow = await HttpConnection.open(endpoint);
      await slow.send(`GET /${PASSKEY}`);
      await slow.readRest();
      const since = server.server.records.length;
      const isStatistics = ({ properties }: { properties: Record<string, unknown> }) =>
        "announces" in properties || Object.keys(properties).length > 3;
      await server.server.waitForRecord(isStatistics, { since, what: "a line of statistics" });
      shown += await metricsOf(server.server);
    } finally {
      await server[Symbol.asyncDispose]();
    }
    shown += server.server.log;
    for (const secret of [...SECRETS, "198.51.100.7"]) {
      assert.ok(!shown.toLowerCase().includes(secret.toLowerCase()), `${secret} in ${shown}`);
    }
  });
});

/** Everything that the metrics' listener shows. */
async function metricsOf(server: Server): Promise<string> {
  const { properties } = await server.waitForRecord(
    ({ message }) => message.startsWith("Metrics are on"),
    { what: "the metrics' address" },
  );
  const pages = ["/metrics", "/"].map(async (path) => {
    const response = await fetch(`http://${properties.address}${path}`);
    assert.equal(response.status, 200);
    return await response.text();
  });
  return (await Promise.all(pages)).join("\n");
}
