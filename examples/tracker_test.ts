/** How a test starts a tracker of its own: run it with `deno test -A examples`. */
import { startTracker } from "@riptide/tracker";
import { announce } from "@riptide/tracker/client";

Deno.test("a peer that announces over UDP is returned over HTTP", async () => {
  const network = { address: "127.0.0.1:0" };
  await using tracker = await startTracker({ udp: { network }, http: { network } });
  const [udp, http] = tracker.urls as [string, string];
  const infoHash = "0123456789abcdef0123456789abcdef01234567";
  await announce(udp, { infoHash, port: 6881, left: 0 });
  const { peers } = await announce(http, { infoHash, port: 6882, left: 1 });
  if (peers[0]?.port !== 6881) throw new Error("The tracker did not return the peer");
});
