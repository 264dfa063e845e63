/** Series of interleaved rounds: they go on where another run stopped. */
import { strict as assert } from "node:assert";
import { Series } from "../../../bench/connections/series.ts";

/** What is printed meanwhile; the figures themselves are echoed elsewhere. */
async function printed(print: () => void | Promise<void>): Promise<string[]> {
  const lines: string[] = [];
  const { log, error } = console;
  console.log = (line: string) => lines.push(line);
  console.error = () => {};
  try {
    await print();
  } finally {
    console.log = log;
    console.error = error;
  }
  return lines;
}

Deno.test("Series keeps its rounds in a file, and goes on with them", async () => {
  const path = await Deno.makeTempFile();
  try {
    const lines = await printed(async () => {
      const first = await Series.open(path);
      assert.equal(first.nextRound, 0);
      await first.add({ name: "own", round: 0, values: { p99: 300 } });
      await first.add({ name: "other", round: 0, values: { p99: 100 } });
      const second = await Series.open(path);
      assert.equal(second.nextRound, 1);
      await second.add({ name: "own", round: 1, values: { p99: 200 } });
      await second.add({ name: "other", round: 1, values: { p99: 200 } });
      await second.add({ name: "own", round: 2, values: { p99: 500 } });
      second.printRatio("p99", "own", "other");
      second.printDifference("p99", "own", "other");
      second.print();
    });
    // The third round has no other: its ratio is of the two that both have.
    assert.deepEqual(lines.slice(0, 2), [
      "p99, own : other = 2.00 (1.00 – 3.00; of the medians 2.00)",
      "p99, own − other = 150",
    ]);
    assert.deepEqual(lines.slice(2), [
      "own",
      "  rounds: 3",
      "  p99: 300 (200 – 500)",
      "other",
      "  rounds: 2",
      "  p99: 150 (100 – 200)",
    ]);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("Series without a file begins anew, and prints no ratio of what it has not", async () => {
  const lines = await printed(async () => {
    const series = await Series.open();
    assert.equal(series.nextRound, 0);
    await series.add({ name: "own", round: 0, values: { p99: 300 } });
    series.printRatio("p99", "own", "other");
  });
  assert.deepEqual(lines, []);
});
