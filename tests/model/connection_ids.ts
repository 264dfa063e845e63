/**
 * Which connection ids a tracker has issued, learned from its answers.
 *
 * The model has no secret: an id is authentic if it was seen in a connect answer to the same
 * address. The second of issue stands in 16 bits, so an id of 65,536 seconds ago reads as another
 * one and is as good as forged.
 */
export type Verdict = "valid" | "expired" | "forged";

const ID_PERIOD_SECONDS = 65536;

export class ConnectionIds {
  readonly #issued = new Map<string, Map<string, number>>();

  learn(address: string, id: string, now: number): void {
    let ids = this.#issued.get(address);
    if (!ids) this.#issued.set(address, ids = new Map());
    ids.set(id, now);
  }

  judge(address: string, id: string, now: number, maxAgeSeconds: number): Verdict {
    const issued = this.#issued.get(address)?.get(id);
    if (issued === undefined || now - issued >= ID_PERIOD_SECONDS) return "forged";
    return now - issued > maxAgeSeconds ? "expired" : "valid";
  }
}
