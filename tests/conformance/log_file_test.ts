/** A log in a file that logrotate truncates (copytruncate): it goes on at the new beginning. */
import { strict as assert } from "node:assert";
import { within } from "../support/deadline.ts";
import { startServer } from "../support/server.ts";

const DEADLINE_MS = 30_000;

/** Reads the file until it holds a text. */
async function waitFor(path: string, text: string): Promise<string> {
  const search = async () => {
    for (;;) {
      const read = await Deno.readTextFile(path).catch(() => "");
      if (read.includes(text)) return read;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  return await within(search(), { deadlineMs: DEADLINE_MS, what: `"${text}" in the log` });
}

Deno.test("a log file that is truncated goes on", async () => {
  const directory = await Deno.makeTempDir({ prefix: "riptide-log-" });
  const path = `${directory}/riptide.log`;
  try {
    await using server = await startServer({
      driver: "deno",
      shell: `exec "$@" 2>>'${path}'`,
      unobserved: true,
    });
    await waitFor(path, "Listening on");
    await Deno.truncate(path);
    server.signal("SIGHUP");
    const rest = await waitFor(path, "Reloaded after SIGHUP");
    assert.ok(rest.startsWith("{"), JSON.stringify(rest.slice(0, 40)));
    assert.ok(!rest.includes("Listening on"));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
