/** An upgrade with clients running: the new process takes over, the old one drains. */
import { strict as assert } from "node:assert";
import { findPorts, Target } from "../../bench/reliability/target.ts";
import { sleep, Traffic } from "../../bench/reliability/traffic.ts";
import { nativeIsAvailable } from "../support/configuration.ts";

Deno.test({
  name: "--take-over: no client is left without an answer, and the old process ends with 0",
  ignore: !nativeIsAvailable(),
  async fn() {
    const [first, second] = [await Deno.makeTempDir(), await Deno.makeTempDir()];
    const ports = findPorts();
    const old = await Target.start({ directory: first, ports });
    try {
      const traffic = new Traffic({
        udp: `127.0.0.1:${ports.udp}`,
        http: `127.0.0.1:${ports.http}`,
        pauseMilliseconds: 2,
        clientsPerKind: 4,
        torrents: 500,
      });
      await sleep(1_000);
      await using _fresh = await Target.start({ directory: second, ports, takeOver: true });
      assert.equal(await old.stop(), 0);
      const answeredBefore = [...traffic.counts.values()].map(({ answered }) => answered);
      await sleep(2_500);
      await traffic.stop();
      [...traffic.counts].forEach(([kind, { asked, answered, retried, lost }], index) => {
        assert.equal(lost, 0, `${kind}: ${lost} of ${asked} got no answer in four tries`);
        assert(answered > answeredBefore[index]!, `${kind}: the new process answers`);
        // Connections that were closed under a request, ids and datagrams of the old process.
        assert(retried <= 40, `${kind}: ${retried} of ${asked} were asked again`);
      });
    } finally {
      await old.stop();
      await Deno.remove(first, { recursive: true });
      await Deno.remove(second, { recursive: true });
    }
  },
});
