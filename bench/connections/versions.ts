/**
 * Two versions of Riptide, by what a CPU-second of theirs answers: whether something has dropped.
 *
 *     deno run -A bench/connections/versions.ts --before DIRECTORY [--protocol udp|http]
 *       [--io native] [--seconds 4] [--rounds 8] [--raw FILE]
 *
 * DIRECTORY is another checkout, built. Both servers run on, on core 0, and are visited in turn by
 * the load test of this checkout, in a closed loop.
 */
import { parseArgs } from "node:util";
import { runHttpLoad } from "../load/http.ts";
import { defaultHttpLoadConfig } from "../load/http_config.ts";
import type { LoadReport } from "../load/report.ts";
import { runUdpLoad } from "../load/udp.ts";
import { defaultUdpLoadConfig } from "../load/udp_config.ts";
import { effortOf, Series } from "./series.ts";
import { riptide, type RunningServer, startServer, takeLoadCore } from "./servers.ts";

const WARM_UP_SECONDS = 1;

const { values: args } = parseArgs({
  options: {
    before: { type: "string" },
    protocol: { type: "string", default: "udp" },
    io: { type: "string", default: "native" },
    seconds: { type: "string", default: "4" },
    rounds: { type: "string", default: "8" },
    raw: { type: "string" },
  },
});
if (args.before === undefined) throw new Error("--before names no checkout");
const protocol = args.protocol === "http" ? "http" : "udp";

async function visit({ port, processId }: RunningServer): Promise<Record<string, number>> {
  const timing = {
    server_address: `127.0.0.1:${port}`,
    duration: Number(args.seconds) + WARM_UP_SECONDS,
    summarize_last: Number(args.seconds),
  };
  const options = { serverPid: processId };
  const report: LoadReport = protocol === "udp"
    ? await runUdpLoad({ ...defaultUdpLoadConfig(), ...timing }, options)
    : await runHttpLoad({ ...defaultHttpLoadConfig(), ...timing }, options);
  if (!report.valid) throw new Error(`Wrong answers: ${JSON.stringify(report.invalid)}`);
  return effortOf(report);
}

await takeLoadCore();
const series = await Series.open(args.raw);
await using servers = new AsyncDisposableStack();
const targets: { name: string; server: RunningServer }[] = [];
for (const root of [args.before, undefined]) {
  const server = await startServer(riptide({ protocol, io: args.io, root }));
  servers.defer(() => server.stop());
  targets.push({ name: root === undefined ? "now" : "before", server });
  await visit(server);
}
const first = series.nextRound;
for (let round = first; round < first + Number(args.rounds); ++round) {
  for (const { name, server } of round % 2 === 0 ? targets : targets.toReversed()) {
    await series.add({ name, round, values: await visit(server) });
  }
}
series.print();
series.printRatio("answers/CPU-s", "now", "before");
