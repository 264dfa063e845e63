/** The HTTP load test: drives any BEP 3 tracker, plain or over TLS, and reports its answers. */

import { checkHttpLoadConfig, type HttpLoadConfig } from "./http_config.ts";
import type { LoadReport } from "./report.ts";
import { type LoadOptions, runLoad } from "./run.ts";
import { tcpPopulation } from "./tcp_config.ts";

/**
 * Runs the load test.
 * @throws {SyntaxError} A setting is wrong.
 * @throws {Error} Nobody listens.
 */
export function runHttpLoad(
  config: HttpLoadConfig,
  options?: LoadOptions,
): Promise<LoadReport<HttpLoadConfig>> {
  checkHttpLoadConfig(config);
  const population = tcpPopulation(config);
  return runLoad(
    { protocol: "http", config, workerCount: config.num_workers, population },
    options,
  );
}
