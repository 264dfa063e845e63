/** The accept loop, on a listener whose queue holds what a test says. */
import { strict as assert } from "node:assert";
import { Acceptor } from "../../../server/tcp/acceptor.ts";

Deno.test("Acceptor goes on at once behind clients that reset their connections", async () => {
  const resets = 200;
  const conn = {} as Deno.Conn;
  let accepted = 0;
  const listener = {
    accept(): Promise<Deno.Conn> {
      if (++accepted <= resets) {
        return Promise.reject(new Deno.errors.NotConnected("Transport endpoint is not connected"));
      }
      return accepted === resets + 1 ? Promise.resolve(conn) : new Promise(() => {});
    },
    close() {},
  } as unknown as Deno.Listener;
  const begun = performance.now();
  await new Promise<void>((resolve) => {
    new Acceptor(listener, (given) => {
      assert.equal(given, conn);
      resolve();
    }).run();
  });
  // With a pause for each of them it would be ten seconds.
  assert.ok(performance.now() - begun < 2_000);
});
