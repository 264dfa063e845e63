/** The details of an access list's entries, gathered while it is read. */

import type { Core, Rules } from "../wasm/core.ts";
import { parseDetails, REASONS_MAX } from "./access_entry.ts";
import { StartError } from "./errors.ts";
import { EXIT_CONFIG } from "./exit_status.ts";

interface Detail {
  infoHash: Uint8Array;
  until?: number;
  /** Index into the reasons. */
  reason?: number;
}

export class ListDetails {
  readonly #details = new Map<string, Detail>();
  readonly #reasons = new Map<string, number>();

  /**
   * Takes what stands behind an info hash; the last line of an info hash counts.
   * @param place File and line, for messages.
   * @throws StartError
   */
  add(infoHash: Uint8Array, text: string, place: string): void {
    try {
      const { reason, until } = parseDetails(text);
      const index = reason === undefined ? undefined : this.#indexOf(reason);
      this.#details.set(infoHash.toHex(), { infoHash, until, reason: index });
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      const shown = JSON.stringify(text.trim());
      throw new StartError(`${place}: Cannot read ${shown}: ${error.message}`, EXIT_CONFIG);
    }
  }

  #indexOf(reason: string): number {
    const known = this.#reasons.get(reason);
    if (known !== undefined) return known;
    if (this.#reasons.size === REASONS_MAX) {
      throw new SyntaxError(`expected at most ${REASONS_MAX} different reasons`);
    }
    this.#reasons.set(reason, this.#reasons.size);
    return this.#reasons.size - 1;
  }

  /** When entries end, in Unix seconds, the earliest first. */
  ends(): Uint32Array {
    const ends = [...this.#details.values()].flatMap(({ until }) => until ?? []);
    return Uint32Array.from(ends).sort();
  }

  /** Gives them to the rules they belong to; nothing where no entry has any. */
  writeTo(core: Core, rules: Rules): void {
    if (this.#details.size === 0) return;
    // Hexadecimal digits sort as the bytes do.
    const sorted = [...this.#details.keys()].sort().map((key) => this.#details.get(key)!);
    const encoder = new TextEncoder();
    core.writeDetails(rules, sorted, [...this.#reasons.keys()].map((text) => encoder.encode(text)));
  }
}
