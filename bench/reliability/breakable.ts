/**
 * The tracker with two ways to break it, for the fault runs: SIGUSR2 spoils the shard that holds
 * most torrents, so that the next worker that looks into it traps; SIGWINCH sets the time of day of
 * the main thread a day ahead, then a day back, in turn.
 */
import { CONTROL_SHARD_BITS, CONTROL_SHARDS } from "../../assembly/layout.ts";
import { SHARD_GROUPS, SHARD_SIZE, SHARD_TORRENTS } from "../../assembly/layout.ts";

const NOWHERE = 0xffff_0000;
const DAY_MILLISECONDS = 86_400_000;

// The memory is the only one of that size that this process makes.
let memory: WebAssembly.Memory | undefined;
const { Memory } = WebAssembly;
WebAssembly.Memory = class extends Memory {
  constructor(descriptor: WebAssembly.MemoryDescriptor) {
    super(descriptor);
    memory = this;
  }
} as typeof Memory;

Deno.addSignalListener("SIGUSR2", () => {
  const view = new DataView(memory!.buffer);
  const first = view.getUint32(CONTROL_SHARDS, true);
  const shards = Array.from(
    { length: 1 << view.getUint32(CONTROL_SHARD_BITS, true) },
    (_, index) => first + index * SHARD_SIZE,
  );
  const torrents = (shard: number) => view.getUint32(shard + SHARD_TORRENTS, true);
  const fullest = shards.reduce((best, it) => torrents(it) > torrents(best) ? it : best);
  view.setUint32(fullest + SHARD_GROUPS, NOWHERE, true);
});

const now = Date.now.bind(Date);
let shift = -DAY_MILLISECONDS;
Deno.addSignalListener("SIGWINCH", () => {
  shift = -shift;
  Date.now = () => now() + shift;
});

const { parseCommandLine } = await import("../../server/cli.ts");
const { flushLog } = await import("../../server/log.ts");
const status = await parseCommandLine(Deno.args)();
await flushLog();
Deno.exit(status);
