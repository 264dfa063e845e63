/** What `main.ts load-test` runs (server/commands/load_test.ts reads its command line). */

import type { CommonConfig } from "./common_config.ts";
import { defaultHttpLoadConfig, parseHttpLoadConfig, printHttpLoadConfig } from "./http_config.ts";
import { runHttpLoad } from "./http.ts";
import { formatReport, type LoadReport } from "./report.ts";
import type { LoadOptions } from "./run.ts";
import { runUdpLoad } from "./udp.ts";
import { defaultUdpLoadConfig, parseUdpLoadConfig, printUdpLoadConfig } from "./udp_config.ts";
import type { Protocol } from "./worker.ts";
import { runWsLoad } from "./ws.ts";
import { defaultWsLoadConfig, parseWsLoadConfig, printWsLoadConfig } from "./ws_config.ts";

export interface LoadTestArguments {
  configPath?: string;
  printConfig?: boolean;
  json?: boolean;
  serverPid?: number;
  serverAddress?: string;
  duration?: number;
  rate?: number;
  allowRemote?: boolean;
}

interface Tester {
  print(): string;
  /** Without text, the defaults. */
  parse(text: string | undefined): CommonConfig;
  run(config: CommonConfig, options: LoadOptions): Promise<LoadReport>;
}

const TESTERS: Record<Protocol, Tester> = {
  udp: {
    print: printUdpLoadConfig,
    parse: (text) => text === undefined ? defaultUdpLoadConfig() : parseUdpLoadConfig(text),
    run: (config, options) => runUdpLoad(config as never, options),
  },
  http: {
    print: printHttpLoadConfig,
    parse: (text) => text === undefined ? defaultHttpLoadConfig() : parseHttpLoadConfig(text),
    run: (config, options) => runHttpLoad(config as never, options),
  },
  ws: {
    print: printWsLoadConfig,
    parse: (text) => text === undefined ? defaultWsLoadConfig() : parseWsLoadConfig(text),
    run: (config, options) => runWsLoad(config as never, options),
  },
};

/**
 * Runs a load test, or prints its settings.
 * @returns Exit status: 0, or 1 when the tracker answered rubbish or nothing.
 * @throws {SyntaxError} A setting is wrong.
 * @throws {Error} The tracker does not answer.
 */
export async function runLoadTest(protocol: Protocol, args: LoadTestArguments): Promise<number> {
  const tester = TESTERS[protocol];
  if (args.printConfig && args.configPath === undefined) {
    console.log(tester.print().trimEnd());
    return 0;
  }
  const config = tester.parse(
    args.configPath === undefined ? undefined : await Deno.readTextFile(args.configPath),
  );
  if (args.serverAddress !== undefined) config.server_address = args.serverAddress;
  if (args.duration !== undefined) config.duration = args.duration;
  if (args.rate !== undefined) config.rate = args.rate;
  const interrupt = new AbortController();
  const onInterrupt = () => interrupt.abort();
  Deno.addSignalListener("SIGINT", onInterrupt);
  try {
    const report = await tester.run(config, {
      serverPid: args.serverPid,
      allowRemote: args.allowRemote,
      signal: interrupt.signal,
      onProgress: args.json
        ? undefined
        : (rate) => console.error(`${Math.round(rate)} responses per second`),
    });
    console.log(args.json ? JSON.stringify(report) : formatReport(report));
    return report.valid ? 0 : 1;
  } finally {
    Deno.removeSignalListener("SIGINT", onInterrupt);
  }
}
