/**
 * The same with TLS by OpenSSL.
 *
 * OpenSSL writes to the socket itself, but reads what was received from a memory of its own (a
 * BIO), which gets a bounded piece for each of our reads: within one call it goes on as long as
 * there are records without data, and a client may send nothing else.
 */
import { EAGAIN } from "../native/linux.ts";
import type { Libc } from "../native/libc.ts";
import { type OpensslSymbols, SSL_ERROR_WANT_READ } from "../native/openssl.ts";
import { SSL_ERROR_WANT_WRITE, SSL_ERROR_ZERO_RETURN } from "../native/openssl.ts";
import { CLOSED, NativeConn, RESET } from "./native_conn.ts";
import type { NativeDriver } from "./native_driver.ts";

/** Received at once; a record may take a little more. */
const piece = new Uint8Array(16 * 1024);
/** Of a client's handshake, which is a few KiB. */
const HANDSHAKE_PIECES_MAX = 4;

export class NativeTlsConn extends NativeConn {
  /** Within its handshake as well. */
  readonly isClosedAtOnce = true;
  readonly #libc: Libc;
  readonly #ssl: OpensslSymbols;
  /** Address of its SSL. */
  readonly #session: bigint;
  /** Address of the BIO that holds what was received. */
  readonly #incoming: bigint;
  #handshake: PromiseWithResolvers<void> | undefined;
  #handshakePieces = 0;
  #isBroken = false;
  /** Whether the last piece was a full one, with more behind it perhaps. */
  #isPieceFull = false;

  /** @param tls The library, and an SSL of the listener's context, which the connection frees. */
  constructor(
    driver: NativeDriver,
    fd: number,
    name: Uint8Array,
    { ssl, session }: { ssl: OpensslSymbols; session: bigint },
  ) {
    super(driver, fd, name);
    this.#libc = driver.libc;
    this.#ssl = ssl;
    this.#session = session;
    this.#incoming = ssl.BIO_new(ssl.BIO_s_mem());
    ssl.SSL_set_bio(session, this.#incoming, ssl.BIO_new_socket(fd, 0));
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
      while (this.#accept() === undefined) {
        const received = this.#take();
        if (received === undefined) return this.watchRoom(); // it may have either to wait for
        // The client has ended it, or does not come to an end.
        if (received === null || ++this.#handshakePieces > HANDSHAKE_PIECES_MAX) throw RESET;
      }
      this.#handshake = undefined;
      resolve();
    } catch (error) {
      this.#isBroken = true;
      this.#handshake = undefined;
      reject(error);
    }
  }

  #accept(): number | undefined {
    this.#ssl.ERR_clear_error();
    const result = this.#judge(this.#ssl.SSL_accept(this.#session));
    if (result === null) throw RESET; // the client has ended it
    return result;
  }

  protected override receive(bytes: Uint8Array<ArrayBuffer>): number | null | undefined {
    const before = this.#read(bytes);
    if (before !== undefined) return before;
    const received = this.#take();
    return received === undefined || received === null ? received : this.#read(bytes);
  }

  protected override mayHaveMore(_: Uint8Array, received: number | undefined): boolean {
    if (this.#isPieceFull) return true;
    return received !== undefined && (this.#ssl.SSL_pending(this.#session) > 0 ||
      this.#ssl.BIO_ctrl_pending(this.#incoming) > 0n);
  }

  #read(bytes: Uint8Array<ArrayBuffer>): number | null | undefined {
    this.#ssl.ERR_clear_error();
    return this.#judge(this.#ssl.SSL_read(this.#session, bytes, bytes.length));
  }

  /** Gives OpenSSL one piece of what the client sent; null at the end, undefined for nothing. */
  #take(): number | null | undefined {
    const { symbols } = this.#libc;
    const received = symbols.recv(this.fd, piece, BigInt(piece.length), 0);
    this.#isPieceFull = received === piece.length;
    if (received === 0) return null;
    if (received > 0) {
      this.#ssl.BIO_write(this.#incoming, piece, received);
      return received;
    }
    if (this.#libc.errno() === EAGAIN) return undefined;
    this.#isBroken = true;
    throw RESET;
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
    if (reason === SSL_ERROR_WANT_READ || reason === SSL_ERROR_WANT_WRITE) return undefined;
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
