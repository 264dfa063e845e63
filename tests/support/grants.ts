/** What workers are granted, and what they can do with it. */
import { loadConfig } from "../../server/config/mod.ts";
import type { FileKind } from "../../server/config/mod.ts";
import type { Tracker } from "../../server/lifecycle.ts";
import { type Configuration, merge, toToml } from "./configuration.ts";
import { within } from "./deadline.ts";
import type { Attempts, Outcome } from "./permission_probe.ts";

export type Grants = Record<string, Deno.PermissionOptions>;

/** Of the addresses that documentation may use (RFC 5737): nobody is there. */
export const OUTSIDE = "198.51.100.1:9";
export const INSIDE = "127.0.0.1:9";

export const NOTHING: Record<string, Outcome> = {
  read: "refused",
  write: "refused",
  run: "refused",
  env: "refused",
  sys: "refused",
  ffi: "refused",
  inspect: "refused",
};
/** Starts the tracker and returns the grant of each of its workers, by the worker's name. */
export async function grantsOf<TConfig>(
  kind: FileKind<TConfig>,
  start: (config: TConfig, options: { takeOver: boolean }) => Promise<Tracker<TConfig>>,
  over: Configuration,
): Promise<Grants> {
  const path = await Deno.makeTempFile({ suffix: ".toml" });
  await Deno.writeTextFile(path, toToml(merge({ memory: { limit_mib: 16 } }, over)));
  const grants: Grants = {};
  const OriginalWorker = globalThis.Worker;
  globalThis.Worker = class extends OriginalWorker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      grants[options!.name!] = options!.deno!.permissions!;
    }
  };
  try {
    const { config } = await loadConfig(kind, path, { overrides: {} });
    const tracker = await start(config, { takeOver: false });
    await tracker.stop();
  } finally {
    globalThis.Worker = OriginalWorker;
    await Deno.remove(path);
  }
  return grants;
}

/** Runs the probe with a grant and returns the outcome of each attempt. */
export async function probe(
  permissions: Deno.PermissionOptions,
  over: Partial<Attempts> = {},
): Promise<Record<string, Outcome>> {
  const file = await Deno.makeTempFile();
  const url = new URL("./permission_probe.ts", import.meta.url);
  const worker = new Worker(url, { type: "module", deno: { permissions } });
  try {
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, Outcome>>();
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    const attempts: Attempts = { file, library: "/no/such/library", hosts: [OUTSIDE, INSIDE] };
    worker.postMessage({ ...attempts, ...over });
    return await within(promise, { deadlineMs: 10_000, what: "the probe's outcomes" });
  } finally {
    worker.terminate();
    await Deno.remove(file);
    await Deno.remove(`${file}.written`).catch(() => {});
  }
}
