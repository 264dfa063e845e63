/**
 * The WebTorrent load test: drives any WebTorrent tracker, plain or over TLS, and reports what it
 * answered. Every offer that a tracker passes on is answered, so round trips are real ones.
 */

import type { LoadReport } from "./report.ts";
import { type LoadOptions, runLoad } from "./run.ts";
import { tcpPopulation } from "./tcp_config.ts";
import { checkWsLoadConfig, type WsLoadConfig } from "./ws_config.ts";

/**
 * Runs the load test.
 * @throws {SyntaxError} A setting is wrong.
 * @throws {Error} Nobody listens.
 */
export function runWsLoad(
  config: WsLoadConfig,
  options?: LoadOptions,
): Promise<LoadReport<WsLoadConfig>> {
  checkWsLoadConfig(config);
  const population = { ...tcpPopulation(config), isText: true };
  return runLoad({ protocol: "ws", config, workerCount: config.num_workers, population }, options);
}
