/**
 * The UDP load test: drives any BEP 15 tracker and reports what it answered. It needs Linux:
 * datagrams go through recvmmsg() and sendmmsg(), which threads of its own call.
 */

import type { LoadReport } from "./report.ts";
import { type LoadOptions, runLoad } from "./run.ts";
import { checkUdpLoadConfig, type UdpLoadConfig, udpPopulation } from "./udp_config.ts";

/**
 * Runs the load test.
 * @throws {SyntaxError} A setting is wrong.
 * @throws {Error} The tracker does not answer, or sockets cannot be opened.
 */
export function runUdpLoad(
  config: UdpLoadConfig,
  options?: LoadOptions,
): Promise<LoadReport<UdpLoadConfig>> {
  checkUdpLoadConfig(config);
  const population = udpPopulation(config);
  return runLoad({ protocol: "udp", config, workerCount: config.workers, population }, options);
}
