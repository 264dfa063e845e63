/**
 * What a server must outlive, and how it ends: signals, stopped clocks, lost outputs, lost ports.
 */
import { strict as assert } from "node:assert";
import { type Driver, nativeIsAvailable, readTask } from "../support/configuration.ts";
import { elapse, within } from "../support/deadline.ts";
import { randomBytes, writeConnect } from "../support/packets.ts";
import { processState } from "../support/processes.ts";
import { runFailing, type Server, type ServerOptions, startServer } from "../support/server.ts";
import { forEachDriver } from "../support/suite.ts";
import { findFreePort, UdpClient } from "../support/udp_client.ts";

forEachDriver((driver, ignore) => {
  const test = (name: string, fn: () => Promise<void>) =>
    Deno.test({ name: `${name} [${driver}]`, ignore, fn });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal} ends it within 2 s with status 0, under traffic`, async () => {
      await using server = await startServer({ driver });
      await using client = await connect(server);
      for (let count = 0; count < 200; count++) await client.announce({});
      await client.send(client.announcePacket({}));
      const since = performance.now();
      await server.stop(signal);
      assert.ok(performance.now() - since < 2000);
    });
  }

  test("SIGTERM twice within a millisecond is one", async () => {
    await using server = await startServer({ driver });
    server.signal("SIGTERM");
    await server.stop();
  });

  test("SIGSTOP and SIGCONT: it goes on with what it knew", async () => {
    await using server = await startServer({ driver });
    await using client = await connect(server);
    const infoHash = randomBytes(20);
    await client.announce({ infoHash, port: 1001 });
    server.signal("SIGSTOP");
    const late = client.announcePacket({ infoHash, port: 1002 });
    try {
      await within(untilStopped(server), { deadlineMs: 5000, what: "the process is stopped" });
      await client.send(late);
      await elapse(1500);
    } finally {
      server.signal("SIGCONT");
    }
    const reply = await client.receive();
    assert.equal(reply.kind, "announce", "What came meanwhile is answered");
    assert.equal((await client.announce({ infoHash, port: 1003 })).leechers, 3);
  });

  const LOST_OUTPUTS: Record<string, string> = {
    "stdout closed": 'exec "$@" >&-',
    "stdout full": 'exec "$@" >/dev/full',
    "stderr full": 'exec "$@" 2>/dev/full',
    "stdout and stderr full": 'exec "$@" >/dev/full 2>&1',
    "stderr closed": 'exec "$@" 2>&-',
    "stderr read by nobody": 'exec "$@" 2> >(exec <&-)',
  };

  for (const [name, command] of Object.entries(LOST_OUTPUTS)) {
    test(`${name}: it serves, logs and stops`, async () => {
      const shell = command.includes(">(") ? `exec bash -c '${command}' bash "$@"` : command;
      const port = findFreePort();
      await using server = await startServer({
        driver,
        shell,
        unobserved: true,
        configuration: {
          log_level: "debug",
          network: { address: `127.0.0.1:${port}` },
          statistics: { interval: 1 },
        },
      });
      await using client = await untilServing(server, port);
      await elapse(2200); // Two lines of statistics.
      server.signal("SIGHUP");
      await client.announce({});
      await client.connect();
    });
  }

  test("a second server on the same port exits 69, the first goes on", async () => {
    await using server = await startServer({ driver });
    const [address] = server.addresses;
    await using client = await connect(server);
    const second = await runFailing({ driver, configuration: { network: { address } } });
    assert.equal((await second.ended).code, 69);
    assertExplained(second, [address]);
    await client.announce({});
  });

  test("a second server beside one of the other driver exits 69 too", async () => {
    const other: Driver = driver === "deno" ? "native" : "deno";
    if (other === "native" && !nativeIsAvailable()) return;
    await using server = await startServer({ driver });
    const [address] = server.addresses;
    const second = await runFailing({ driver: other, configuration: { network: { address } } });
    assert.equal((await second.ended).code, 69);
  });

  test("--take-over starts a second server on the same port", async () => {
    await using first = await startServer({ driver });
    const [address] = first.addresses;
    const options: ServerOptions = { driver, configuration: { network: { address } } };
    await using second = await startServer({ ...options, main: ["--take-over"] });
    assert.deepEqual(second.addresses, [address]);
    await first.stop();
    await using client = await connect(second);
    await client.announce({});
  });

  test("an address that is not this machine's exits 69", async () => {
    const address = "198.51.100.1:3000";
    const server = await runFailing({ driver, configuration: { network: { address } } });
    assert.equal((await server.ended).code, 69);
    assertExplained(server, [address]);
  });

  test("without permission to read its configuration it exits 77", async () => {
    const run = readTask(driver).run.filter((flag) => !flag.startsWith("--allow-read"));
    const server = await runFailing({ driver, run: [...run, "--no-prompt"] });
    assert.equal((await server.ended).code, 77);
    assertExplained(server, ["--allow-read"]);
  });
});

Deno.test({
  name: "without permission for libc it exits 77 [native]",
  ignore: !nativeIsAvailable(),
  fn: async () => {
    const run = readTask("native").run.filter((flag) => !flag.startsWith("--allow-ffi"));
    const server = await runFailing({ driver: "native", run: [...run, "--no-prompt"] });
    assert.equal((await server.ended).code, 77);
    assertExplained(server, ["--allow-ffi"]);
  },
});

Deno.test("without permission for the network it exits 77 [deno]", async () => {
  const run = readTask("deno").run.filter((flag) => !flag.startsWith("--allow-net"));
  const server = await runFailing({ driver: "deno", run: [...run, "--no-prompt"] });
  assert.equal((await server.ended).code, 77);
  assertExplained(server, ["--allow-net"]);
});

Deno.test("the sandboxed driver runs without ffi, run, env and write", () => {
  const { run } = readTask("deno");
  for (const flag of run) {
    assert.doesNotMatch(flag, /^(-A|--allow-(all|ffi|run|env|write)\b)/);
  }
});

async function connect(server: Server): Promise<UdpClient> {
  const client = new UdpClient("127.0.0.1", server.address("127.0.0.1"));
  await client.connect();
  return client;
}

/** Asserts that the server said why it ended, in words and without a stack trace. */
function assertExplained(server: Server, words: string[]): void {
  for (const word of words) assert.ok(server.log.includes(word), `"${word}" in: ${server.log}`);
  assert.doesNotMatch(server.log, /^\s+at .+:\d+:\d+\)?$/m, "A stack trace");
  assert.doesNotMatch(server.log, /Uncaught/, "An uncaught error");
}

async function untilStopped(server: Server): Promise<void> {
  while (await processState(server.processId) !== "T") await elapse(5);
}

/** Asks a server whose log cannot be read until it answers. */
async function untilServing(server: Server, port: number): Promise<UdpClient> {
  const tracker = { hostname: "127.0.0.1", port };
  const client = new UdpClient("127.0.0.1", tracker);
  const asking = { active: true };
  const ask = async () => {
    while (asking.active) {
      await client.send(writeConnect(0)).catch(() => {});
      await elapse(50);
    }
  };
  const asked = ask();
  try {
    const ended = server.ended.then(() => {
      throw new Error(`Ended instead of serving: ${server.log}`);
    });
    ended.catch(() => {});
    const what = "a reply to a connect";
    await within(Promise.race([client.firstReply(), ended]), { deadlineMs: 30_000, what });
  } finally {
    asking.active = false;
    await asked;
  }
  await client.drain();
  await client.connect();
  return client;
}
