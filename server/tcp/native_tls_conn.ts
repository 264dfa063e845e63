/**
 * The same with TLS by OpenSSL, which reads and writes the socket itself.
 *
 * OpenSSL reads ahead of what it is asked for. What it keeps then is no event of the socket's, so
 * there may be more as long as it has something pending, and once it was asked for more than one of
 * its own reads can have brought.
 */
import { type OpensslSymbols, SSL_ERROR_WANT_READ } from "../native/openssl.ts";
import { SSL_ERROR_WANT_WRITE, SSL_ERROR_ZERO_RETURN } from "../native/openssl.ts";
import { CLOSED, NativeConn, RESET } from "./native_conn.ts";
import type { NativeDriver } from "./native_driver.ts";

/**
 * A read of the socket brings 16 KiB at the least where there are as many. A record takes 22 to 85
 * bytes besides what it carries (TLS 1.3 with GCM, 1.2 with CBC): half of what is read leaves room
 * for that. A client that pads its records with more may wait in vain for its own answer.
 */
const READ_AHEAD_MIN = 8 * 1024;
const RECORD_OVERHEAD = 64;

export class NativeTlsConn extends NativeConn {
  /** Within its handshake as well. */
  readonly isClosedAtOnce = true;
  readonly #ssl: OpensslSymbols;
  /** Address of its SSL. */
  readonly #session: bigint;
  #handshake: PromiseWithResolvers<void> | undefined;
  #isBroken = false;
  /** Received since nothing was left. */
  #received = 0;

  /** @param tls The library, and the context of the listener. */
  constructor(
    driver: NativeDriver,
    fd: number,
    name: Uint8Array,
    tls: { ssl: OpensslSymbols; context: bigint },
  ) {
    super(driver, fd, name);
    this.#ssl = tls.ssl;
    this.#session = tls.ssl.SSL_new(tls.context);
    tls.ssl.SSL_set_fd(this.#session, fd);
  }

  handshake(): Promise<void> {
    this.#handshake = Promise.withResolvers();
    const { promise } = this.#handshake;
    this.#shakeHands(this.#handshake);
    return promise;
  }

  override happened(events: number): void {
    super.happened(events);
    if (this.#handshake !== undefined) this.#shakeHands(this.#handshake);
  }

  override closeWrite(): void {
    this.#sayGoodbye();
    super.closeWrite();
  }

  #shakeHands({ resolve, reject }: PromiseWithResolvers<void>): void {
    try {
      this.#ssl.ERR_clear_error();
      const result = this.#judge(this.#ssl.SSL_accept(this.#session));
      if (result === undefined) return this.watchRoom(); // it may have either to wait for
      if (result === null) throw RESET; // the client has ended it
      this.#handshake = undefined;
      resolve();
    } catch (error) {
      this.#isBroken = true;
      this.#handshake = undefined;
      reject(error);
    }
  }

  protected override receive(bytes: Uint8Array<ArrayBuffer>): number | null | undefined {
    this.#ssl.ERR_clear_error();
    return this.#judge(this.#ssl.SSL_read(this.#session, bytes, bytes.length));
  }

  protected override mayHaveMore(_: Uint8Array, received: number): boolean {
    this.#received += received + RECORD_OVERHEAD;
    const mayHave = this.#received >= READ_AHEAD_MIN ||
      this.#ssl.SSL_has_pending(this.#session) === 1;
    if (!mayHave) this.#received = 0;
    return mayHave;
  }

  protected override send(bytes: Uint8Array<ArrayBuffer>): number | undefined {
    this.#ssl.ERR_clear_error();
    const sent = this.#judge(this.#ssl.SSL_write(this.#session, bytes, bytes.length));
    if (sent === null) throw RESET;
    return sent;
  }

  protected override closing(): void {
    this.#sayGoodbye();
    this.#ssl.SSL_free(this.#session);
    this.#handshake?.reject(CLOSED);
  }

  /** What a call came to: bytes, null at the end, undefined where the socket must do its part. */
  #judge(result: number): number | null | undefined {
    if (result > 0) return result;
    const reason = this.#ssl.SSL_get_error(this.#session, result);
    if (reason === SSL_ERROR_WANT_READ || reason === SSL_ERROR_WANT_WRITE) {
      this.#received = 0;
      return undefined;
    }
    if (reason === SSL_ERROR_ZERO_RETURN) return null;
    this.#isBroken = true;
    throw RESET;
  }

  /** Tells the client that there is no more, which the rules forbid after an error. */
  #sayGoodbye(): void {
    if (this.#isBroken || this.#handshake !== undefined) return;
    this.#ssl.ERR_clear_error();
    this.#ssl.SSL_shutdown(this.#session);
  }
}
