/**
 * Who may connect: not those that the access rules deny, and no more than so many from one address.
 *
 * The newest is turned away. An IPv6 client has a network of 64 bits to take addresses from, so
 * that network counts as one address. Trusted proxies, which all on UNIX sockets are, speak for
 * many clients and have no limit.
 */
import { COUNT_CONNECTIONS_REFUSED, COUNT_DROP_DENIED } from "../../assembly/layout.ts";
import type { HttpCore } from "../../wasm/http_core.ts";

/** What a connection is counted under: its address, one key for all proxies, or nothing. */
export type Admission = number | bigint;

/** There is no room for it. */
export const REFUSED: Admission = -1;
/** A proxy's, which has no limit of its own. */
const UNLIMITED: Admission = -2;

export interface Limits {
  maxConnections: number;
  maxConnectionsPerAddress: number;
  proxyProtocol: boolean;
}

export class ConnectionLimits {
  readonly #core: HttpCore;
  readonly #limits: Limits;
  readonly #sender: DataView;
  readonly #counts = new Map<number | bigint, number>();
  #connectionCount = 0;

  constructor(core: HttpCore, limits: Limits) {
    this.#core = core;
    this.#limits = limits;
    const { buffer, byteOffset, byteLength } = core.senderBytes;
    this.#sender = new DataView(buffer, byteOffset, byteLength);
  }

  /** Judges who has connected: the core's sender. */
  admit({ isIpv6 }: { isIpv6: boolean }): Admission | "denied" {
    const isProxy = this.#limits.proxyProtocol || this.#core.isSenderTrusted;
    if (!isProxy && this.#core.isSenderDenied) {
      this.#core.count(COUNT_DROP_DENIED);
      return "denied";
    }
    const key = isProxy
      ? UNLIMITED
      : isIpv6
      ? this.#sender.getBigUint64(0)
      : this.#sender.getUint32(0);
    const count = key === UNLIMITED ? 0 : this.#counts.get(key) ?? 0;
    if (
      this.#connectionCount >= this.#limits.maxConnections ||
      count >= this.#limits.maxConnectionsPerAddress
    ) {
      this.#core.count(COUNT_CONNECTIONS_REFUSED);
      return REFUSED;
    }
    ++this.#connectionCount;
    if (key !== UNLIMITED) this.#counts.set(key, count + 1);
    return key;
  }

  /** The connection has ended. */
  release(admission: Admission): void {
    if (admission === REFUSED) return;
    --this.#connectionCount;
    if (admission === UNLIMITED) return;
    const count = this.#counts.get(admission)!;
    if (count === 1) this.#counts.delete(admission);
    else this.#counts.set(admission, count - 1);
  }
}
