/** A start for a moment, on addresses where it meets nobody and serves nobody. */
import type { Served } from "../commands/serve.ts";
import { type Finding, toFindings } from "./finding.ts";
import type { PortFact } from "./ports.ts";

type Table = Record<string, unknown>;

/**
 * Starts what a start would, on addresses that are free, and stops it: lists, certificates, memory,
 * libraries and workers are judged by the code that uses them.
 */
export async function tryStart(
  served: Served<unknown>,
  config: Table,
  ports: readonly PortFact[],
): Promise<Finding[]> {
  const foreign = ports.filter(({ outcome }) => outcome === "not here" || outcome === "failed");
  using places = new Places(foreign.map(({ address }) => address));
  try {
    const moved = structuredClone(config);
    moveAway(moved, places);
    const tracker = await served.start(moved, { takeOver: false });
    await tracker.stop();
    return [{ severity: "fine", subject: "trial start", what: "it starts and stops" }];
  } catch (error) {
    return toFindings("trial start", error);
  }
}

/** Where a trial listens instead: it must meet nobody, and bind whatever the machine has. */
class Places implements Disposable {
  readonly #foreign: ReadonlySet<string>;
  /** For UNIX sockets; without one nothing is written, as in a container where nothing can be. */
  #directory: string | undefined;
  #socketCount = 0;

  /** @param foreign Addresses that cannot be bound here, on whatever port. */
  constructor(foreign: readonly string[]) {
    this.#foreign = new Set(foreign);
  }

  insteadOf(address: string): string {
    if (address === "") return address; // metrics that are off
    if (address.startsWith("unix:")) {
      this.#directory ??= Deno.makeTempDirSync({ prefix: "riptide-doctor-" });
      return `unix:${this.#directory}/${this.#socketCount++}`;
    }
    return this.#foreign.has(address) ? "127.0.0.1:0" : address.replace(/:\d+$/, ":0");
  }

  [Symbol.dispose](): void {
    if (this.#directory !== undefined) Deno.removeSync(this.#directory, { recursive: true });
  }
}

/** Moves every listener of a configuration, and of its tables. */
function moveAway(config: Table, places: Places): void {
  for (const [key, value] of Object.entries(config)) {
    if (key === "address") {
      config[key] = Array.isArray(value)
        ? value.map((address) => places.insteadOf(address))
        : places.insteadOf(String(value));
    } else if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      moveAway(value as Table, places);
    }
  }
}
