/**
 * Riptide as a library: a tracker inside a program, such as a test.
 *
 * @example Start a tracker, ask it, stop it
 * ```ts
 * import { startTracker } from "@riptide/tracker";
 *
 * await using tracker = await startTracker({ udp: { network: { address: "127.0.0.1:0" } } });
 * console.log(tracker.urls[0]); // such as udp://127.0.0.1:40312/announce
 * ```
 *
 * Workers have permissions of their own, so a program needs `--unstable-worker-options` and
 * `--unstable-net`, or both in its `deno.json`, and the permissions of `deno task tracker`. Nothing
 * is logged unless the program configures LogTape for the category `riptide`.
 * @module
 */
import { servedTracker } from "./server/commands/tracker.ts";
import { type RawTable, validate } from "./server/config/problems.ts";
import { ConfigError, StartError } from "./server/errors.ts";

export { StartError };

/** Keys and values of one table; those that are left out have their defaults. */
export type TableOptions = { [key: string]: string | number | boolean | string[] | TableOptions };

/**
 * The configuration of a tracker, with the tables and keys of docs/CONFIGURATION.md. Protocols
 * whose table is left out are off.
 */
export interface TrackerOptions {
  /** The UDP tracker (BEP 15). */
  udp?: TableOptions;
  /** The HTTP tracker (BEP 3). */
  http?: TableOptions;
  /** The WebTorrent tracker; on the addresses of `http`, where they are the same. */
  ws?: TableOptions;
  /** When things are forgotten. */
  cleaning?: TableOptions;
  /** Which torrents are served, and which clients. */
  access_list?: TableOptions;
  /** Memory for torrents and peers. */
  memory?: TableOptions;
  /** Metrics for Prometheus and a status page. */
  metrics?: TableOptions;
}

/** A tracker that serves. */
export interface RunningTracker extends AsyncDisposable {
  /** Where it listens, by protocol, such as `{ udp: ["127.0.0.1:3000"] }`. */
  addresses: Record<string, string[]>;
  /** What clients are given, such as `udp://127.0.0.1:3000/announce`. */
  urls: string[];
  /** Resolves with the reason if it can no longer serve. */
  failed: Promise<Error>;
  /** Answers what it has begun to, and lets go of its sockets. */
  stop(): Promise<void>;
}

/**
 * Starts a tracker; resolves once every address is served.
 * @throws {StartError} The configuration is wrong, or an address, a file or memory cannot be had.
 */
export async function startTracker(options: TrackerOptions): Promise<RunningTracker> {
  const served = await servedTracker();
  const { config, problems } = validate(served.kind, options as RawTable);
  if (problems.length > 0) throw new ConfigError(problems.map(({ sentence }) => sentence));
  const tracker = await served.start(config, { takeOver: false });
  const addresses: Record<string, string[]> = {};
  let rest = tracker.addresses;
  for (const protocol of ["udp", "ws", "http"] as const) { // in the order of their start
    const count = config[protocol]?.network.address.length ?? 0;
    if (count > 0) addresses[protocol] = rest.slice(0, count);
    rest = rest.slice(count);
  }
  const schemes: Record<string, string> = {
    udp: "udp",
    http: config.http?.network.enable_tls ? "https" : "http",
    ws: config.ws?.network.enable_tls ? "wss" : "ws",
  };
  let stopped: Promise<void> | undefined;
  const stop = () => stopped ??= tracker.stop();
  return {
    addresses,
    urls: Object.entries(addresses).flatMap(([protocol, own]) =>
      own.map((address) => `${schemes[protocol]}://${address}/announce`)
    ),
    failed: tracker.failed,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
