/** Listeners that are relieved by others: who waits in their queue is served. */
import { strict as assert } from "node:assert";
import { Acceptor } from "../../server/tcp/acceptor.ts";
import { elapse } from "../support/deadline.ts";

/** Fewer than any system lets wait. */
const WAITING = 100;
/** An acceptor that nobody comes to is closed well within it. */
const PROMPT_MS = 400;
/** A busy machine makes a hundred connections in it. */
const LOAD_MS = 20_000;

function listen(port = 0): Deno.TcpListener {
  return Deno.listen({ hostname: "127.0.0.1", port, reusePort: true }) as Deno.TcpListener;
}

const greeting = new Uint8Array([42]);

async function greet(conn: Deno.Conn): Promise<void> {
  await conn.write(greeting);
  conn.close();
}

async function isGreeted(conn: Deno.Conn): Promise<boolean> {
  const length = await conn.read(new Uint8Array(8)).catch(() => null);
  conn.close();
  return length === greeting.length;
}

Deno.test("Acceptor: whoever waits when it is relieved is served", async () => {
  const listener = listen();
  const { port } = listener.addr as Deno.NetAddr;
  const waiting = await Promise.all(
    Array.from({ length: WAITING }, () => Deno.connect({ hostname: "127.0.0.1", port })),
  );
  const greetings: Promise<void>[] = [];
  const acceptor = new Acceptor(listener, (conn) => greetings.push(greet(conn)));
  const running = acceptor.run();
  await acceptor.relieve();
  await running;
  assert.deepEqual(await Promise.all(waiting.map(isGreeted)), waiting.map(() => true));
  await Promise.all(greetings);
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }), "It is closed");
});

Deno.test("Acceptor: one is relieved by the next under load, again and again", async () => {
  const first = listen();
  const { port } = first.addr as Deno.NetAddr;
  const greetings: Promise<void>[] = [];
  const begin = (conn: Deno.Conn) => greetings.push(greet(conn));
  let acceptor = new Acceptor(first, begin);
  const runs = [acceptor.run()];
  let isOver = false;
  let count = 0;
  let lost = 0;
  const clients = Array.from({ length: 16 }, async () => {
    while (!isOver) {
      // One that is reset before it knows of its connection is lost as well.
      const conn = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => undefined);
      if (conn !== undefined && await isGreeted(conn)) ++count;
      else ++lost;
    }
  });
  const reliefs = 10;
  const end = performance.now() + LOAD_MS;
  for (let relief = 0; relief < reliefs; ++relief) {
    while (count < (relief + 1) * 10 && performance.now() < end) await elapse(1);
    const next = new Acceptor(listen(port), begin);
    runs.push(next.run());
    await acceptor.relieve();
    acceptor = next;
  }
  isOver = true;
  await Promise.all(clients);
  acceptor.close();
  await Promise.all([...runs, ...greetings]);
  assert.ok(count >= reliefs * 10, `Only ${count} connections`);
  // The instant between the last look and the close is short, but it is one.
  assert.ok(lost <= reliefs / 2, `${lost} of ${count} connections are lost`);
});

Deno.test("Acceptor: relieved while nobody comes, it closes promptly", async () => {
  const acceptor = new Acceptor(listen(), () => {});
  const running = acceptor.run();
  const begun = performance.now();
  await acceptor.relieve();
  await running;
  assert.ok(performance.now() - begun < PROMPT_MS);
});
