/**
 * What each worker may touch, tried from inside a worker that has its grant.
 *
 * The tracker is started with a `Worker` that notes the grants; a probe then gets each of them.
 */
import { strict as assert } from "node:assert";
import { startHttp } from "../../protocols/http/mod.ts";
import { startUdp } from "../../protocols/udp/mod.ts";
import { startWs } from "../../protocols/ws/mod.ts";
import { HTTP_FILE, UDP_FILE, WS_FILE } from "../../server/config/mod.ts";
import { Authority, hasOpenssl } from "../support/certificates.ts";
import { HAS_IPV6 } from "../support/configuration.ts";
import { nativeIsAvailable, readTask, type Service } from "../support/configuration.ts";
import { type Grants, grantsOf, INSIDE, NOTHING, OUTSIDE, probe } from "../support/grants.ts";
import type { Outcome } from "../support/permission_probe.ts";

const NO_NETWORK: Record<string, Outcome> = {
  [`udp ${OUTSIDE}`]: "refused",
  [`tcp ${OUTSIDE}`]: "refused",
  [`udp ${INSIDE}`]: "refused",
  [`tcp ${INSIDE}`]: "refused",
};

const LIBC = findGranted("native", "/libc.");
const LIBSSL = findGranted("http:native", "/libssl.");

Deno.test("the probe is allowed everything where nothing is refused", async () => {
  const outcomes = Object.entries(await probe("inherit"));
  assert.equal(outcomes.length, 11);
  for (const [name, outcome] of outcomes) assert.equal(outcome, "allowed", name);
});

Deno.test("a sandboxed IPv4 worker reaches its subnets and nothing else", async () => {
  const network = { address: "127.0.0.1:0", client_subnets: ["127.0.0.0/8"] };
  const grants = await grantsOf(UDP_FILE, startUdp, { network });
  assert.deepEqual(Object.keys(grants).length, 2, "One address, one housekeeper");
  const outcomes = await probe(worker(grants));
  // Deno grants hosts, not transports: who may answer by UDP may also speak TCP there.
  assert.deepEqual(outcomes, {
    ...NOTHING,
    [`udp ${OUTSIDE}`]: "refused",
    [`tcp ${OUTSIDE}`]: "refused",
    [`udp ${INSIDE}`]: "allowed",
    [`tcp ${INSIDE}`]: "allowed",
  });
});

Deno.test({
  name: "a sandboxed IPv6 worker has the network and nothing else",
  ignore: !HAS_IPV6,
  fn: async () => {
    const outcomes = await probe(
      worker(await grantsOf(UDP_FILE, startUdp, { network: { address: "[::1]:0" } })),
    );
    for (const name of Object.keys(NOTHING)) assert.equal(outcomes[name], "refused", name);
  },
});

const NATIVE = { network: { io: "native", address: "127.0.0.1:0" } };
const NATIVE_WORKERS: Record<string, () => Promise<Grants>> = {
  UDP: () => grantsOf(UDP_FILE, startUdp, NATIVE),
  HTTP: () => grantsOf(HTTP_FILE, startHttp, NATIVE),
  WebTorrent: () => grantsOf(WS_FILE, startWs, NATIVE),
};
for (const [protocol, start] of Object.entries(NATIVE_WORKERS)) {
  Deno.test({
    name: `a native worker of ${protocol} has libc and nothing else`,
    ignore: !nativeIsAvailable(),
    fn: async () => {
      const grants = await start();
      assert.deepEqual(await probe(worker(grants)), { ...NOTHING, ...NO_NETWORK });
      const outcomes = await probe(worker(grants), { library: LIBC });
      assert.deepEqual(outcomes, { ...NOTHING, ...NO_NETWORK, ffi: "allowed" });
    },
  });
}

Deno.test({
  name: "a native worker with TLS has OpenSSL besides, and nothing else",
  ignore: !nativeIsAvailable() || LIBSSL === undefined || !await hasOpenssl(),
  fn: async () => {
    await using authority = await Authority.create();
    const { certificatePath, keyPath } = await authority.issue();
    const grants = await grantsOf(HTTP_FILE, startHttp, {
      network: {
        ...NATIVE.network,
        enable_tls: true,
        tls_certificate_path: certificatePath,
        tls_private_key_path: keyPath,
      },
    });
    assert.deepEqual(await probe(worker(grants), { file: keyPath }), { ...NOTHING, ...NO_NETWORK });
    for (const library of [LIBC, LIBSSL]) {
      const outcomes = await probe(worker(grants), { library });
      assert.deepEqual(outcomes, { ...NOTHING, ...NO_NETWORK, ffi: "allowed" }, library);
    }
  },
});

Deno.test("an HTTP worker has its own address and nothing else, plain or with TLS", async () => {
  await using authority = await Authority.create();
  const { certificatePath, keyPath } = await authority.issue();
  const tls = {
    enable_tls: true,
    tls_certificate_path: certificatePath,
    tls_private_key_path: keyPath,
  };
  for (const more of [{}, tls]) {
    const grants = await grantsOf(HTTP_FILE, startHttp, {
      network: { address: "127.0.0.1:0", ...more },
    });
    assert.deepEqual(Object.keys(grants).length, 2, "One worker, one housekeeper");
    assert.deepEqual(await probe(worker(grants)), { ...NOTHING, ...NO_NETWORK });
    // Nor may it read the certificate, which the main thread hands over.
    for (const file of [certificatePath, keyPath]) {
      assert.deepEqual(await probe(worker(grants), { file }), { ...NOTHING, ...NO_NETWORK });
    }
    assert.deepEqual(await probe(grants.housekeeper), { ...NOTHING, ...NO_NETWORK });
  }
});

Deno.test("an HTTP worker touches its UNIX socket and no other file", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/a`;
    const grants = await grantsOf(HTTP_FILE, startHttp, { network: { address: `unix:${path}` } });
    assert.deepEqual(worker(grants), { net: [`unix:${path}`], read: [path], write: [path] });
    assert.deepEqual(await probe(worker(grants)), { ...NOTHING, ...NO_NETWORK });
    await Deno.writeTextFile(path, "");
    const outcomes = await probe(worker(grants), { file: path });
    assert.deepEqual(outcomes, { ...NOTHING, ...NO_NETWORK, read: "allowed" });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("the housekeeper reads the lists and nothing else", async () => {
  const list = await Deno.makeTempFile();
  const denied = await Deno.makeTempFile();
  try {
    const grants = await grantsOf(UDP_FILE, startUdp, {
      network: { address: "127.0.0.1:0" },
      access_list: { mode: "black", path: list, deny_clients_path: denied },
    });
    assert.deepEqual(await probe(grants.housekeeper), { ...NOTHING, ...NO_NETWORK });
    for (const file of [list, denied]) {
      const outcomes = await probe(grants.housekeeper, { file });
      assert.deepEqual(outcomes, { ...NOTHING, ...NO_NETWORK, read: "allowed" });
    }
  } finally {
    await Deno.remove(list);
    await Deno.remove(denied);
  }
});

Deno.test("the metrics worker listens on its address and can do nothing else", async () => {
  const grants = await grantsOf(UDP_FILE, startUdp, {
    network: { address: "127.0.0.1:0" },
    metrics: { address: "127.0.0.1:0" },
  });
  const name = Object.keys(grants).find((candidate) => candidate.startsWith("metrics "));
  assert.deepEqual(await probe(grants[name!]), { ...NOTHING, ...NO_NETWORK });
});

Deno.test("a housekeeper without lists has nothing", async () => {
  const grants = await grantsOf(UDP_FILE, startUdp, { network: { address: "127.0.0.1:0" } });
  assert.deepEqual(await probe(grants.housekeeper), { ...NOTHING, ...NO_NETWORK });
});

/** Returns the grant of the one worker that serves clients. */
function worker(grants: Grants): Deno.PermissionOptions {
  const names = Object.keys(grants).filter((name) => name !== "housekeeper");
  assert.equal(names.length, 1);
  return grants[names[0]];
}

/** Where this machine has a library, of the places that a service's task grants. */
function findGranted(service: Service, name: string): string | undefined {
  const flag = readTask(service).run.find((word) => word.startsWith("--allow-ffi=")) ?? "";
  return flag.slice("--allow-ffi=".length).split(",")
    .find((path) => path.includes(name) && exists(path));
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
