/** The log: shapes of lines, and a writer that fails. */

import assert from "node:assert/strict";
import type { LogRecord } from "@logtape/logtape";
import { LineQueue } from "../../server/line_queue.ts";
import { formatJournald, formatJson, formatText } from "../../server/log.ts";

function record(parts: unknown[], properties: Record<string, unknown> = {}): LogRecord {
  return {
    category: ["riptide", "udp"],
    level: "warning",
    message: parts,
    rawMessage: "",
    timestamp: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    properties,
  };
}

Deno.test("formatText() writes time, level, part and message", () => {
  const line = formatText(record(["Listening on ", "[::1]:3000", ""]), { color: false });
  assert.equal(line, "2026-01-02 03:04:05Z warn  udp: Listening on [::1]:3000\n");
  const colored = formatText(record(["x"]), { color: true });
  assert(colored.includes("\x1b[33mwarn "));
});

Deno.test("formatText() lets no value forge a line or move the cursor", () => {
  const line = formatText(record(["Bad ", "a\nb\x1b[2J\u009b", ""]), { color: false });
  assert.equal(line.split("\n").length, 2);
  assert(!line.includes("\x1b") && !line.includes("\u009b"));
});

Deno.test("formatJournald() writes the priority, and one line without a time", () => {
  assert.equal(formatJournald(record(["Bad ", "a\nb", ""])), "<4>udp: Bad a\\nb\n");
});

Deno.test("formatJson() writes one object on one line", () => {
  const properties = { address: "[::1]:3000", count: 3n, error: new RangeError("no\nno") };
  const line = formatJson(record(["Listening on ", "[::1]:3000", ""], properties));
  assert.equal(line.indexOf("\n"), line.length - 1);
  assert.deepEqual(JSON.parse(line), {
    time: "2026-01-02T03:04:05.678Z",
    level: "warn",
    category: "udp",
    message: "Listening on [::1]:3000",
    properties: {
      address: "[::1]:3000",
      count: "3",
      error: { name: "RangeError", message: "no\nno" },
    },
  });
});

Deno.test("formatJson() gives lines of no part a category, too", () => {
  const line = formatJson({ ...record(["Stopped"]), category: ["riptide"] });
  assert.equal(JSON.parse(line).category, "process");
});

Deno.test("formatJson() survives a property that is no tree", () => {
  const loop: Record<string, unknown> = {};
  loop.loop = loop;
  assert.deepEqual(JSON.parse(formatJson(record(["x"], { loop }))).properties, {});
});

/** A standard error that does as it is told. */
class FakeWriter {
  text = "";
  /** Bytes to take of each write; -1 refuses it, `undefined` takes all. */
  plan: (number | undefined)[] = [];
  stalled: Promise<void> | undefined;

  async write(bytes: Uint8Array): Promise<number> {
    await this.stalled;
    const limit = this.plan.shift() ?? bytes.byteLength;
    if (limit < 0) throw new Error("No space left on device (os error 28)");
    this.text += new TextDecoder().decode(bytes.subarray(0, limit));
    return limit;
  }
}

const formatLost = (count: number) => `lost ${count}\n`;

Deno.test("LineQueue writes lines in order, however many bytes a write takes", async () => {
  const writer = new FakeWriter();
  writer.plan = [1, 2, 3];
  const queue = new LineQueue(writer, { formatLost });
  queue.enqueue("one\n");
  queue.enqueue("two\n");
  await queue.flush(1_000);
  queue.enqueue("three\n");
  await queue.flush(1_000);
  assert.equal(writer.text, "one\ntwo\nthree\n");
});

Deno.test("LineQueue goes on after a full disk and says what was lost", async () => {
  const writer = new FakeWriter();
  writer.plan = [2, -1];
  const queue = new LineQueue(writer, { formatLost });
  queue.enqueue("one\n");
  queue.enqueue("two\n");
  await queue.flush(5_000);
  queue.enqueue("three\n");
  await queue.flush(5_000);
  assert.equal(writer.text, "on\nlost 2\nthree\n");
});

Deno.test("LineQueue neither blocks nor grows while nobody reads", async () => {
  const writer = new FakeWriter();
  const { promise, resolve } = Promise.withResolvers<void>();
  writer.stalled = promise;
  const queue = new LineQueue(writer, { formatLost });
  queue.enqueue("first\n");
  await queue.flush(1);
  for (let index = 0; index < 5_000; index++) queue.enqueue("next\n");
  const startedAt = performance.now();
  await queue.flush(20);
  assert(performance.now() - startedAt < 500);
  writer.stalled = undefined;
  resolve();
  await queue.flush(5_000);
  const lines = writer.text.trimEnd().split("\n");
  assert.deepEqual([lines[0], lines[1], lines[2]], ["first", "lost 3000", "next"]);
  assert.equal(lines.length, 2_002);
});
