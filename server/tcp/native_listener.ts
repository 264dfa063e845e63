/** A listening socket through the C library, of TCP or UNIX. */
import type { TlsKeyPair } from "../certificate.ts";
import { formatSocketAddress, type ListenAddress, type SocketAddress } from "../config/address.ts";
import { StartError } from "../errors.ts";
import { EXIT_UNAVAILABLE } from "../exit_status.ts";
import { LibcError } from "../native/libc.ts";
import * as linux from "../native/linux.ts";
import { newContext, openOpenssl, type OpensslSymbols } from "../native/openssl.ts";
import { isV6Only, writeSocketAddress, writeUnixAddress } from "../native/socket_address.ts";
import type { Listening } from "./driver.ts";
import { NativeConn } from "./native_conn.ts";
import { NativeTlsConn } from "./native_tls_conn.ts";
import type { NativeDriver, Watched } from "./native_driver.ts";

/** The most that wait to be accepted; net.core.somaxconn may allow less. */
const BACKLOG = 4096;
/** Accepted one after the other before others have their turn. */
const ACCEPTS_PER_TURN = 64;
/** Whoever came is asked for its name before the next but one comes. */
const NAME_COUNT = 4;
const FLAGS = linux.SOCK_CLOEXEC | linux.SOCK_NONBLOCK;
const ON = new Uint8Array(new Int32Array([1]).buffer);
const OFF = new Uint8Array(4);

export class NativeListener implements Listening<NativeConn>, Watched {
  readonly fd: number;
  readonly #driver: NativeDriver;
  /** The path that it has made as a UNIX socket, with a NUL behind it. */
  #path: Uint8Array<ArrayBuffer> | undefined;
  /** Room for the struct sockaddr of who comes, in turn. */
  readonly #names = Array.from(
    { length: NAME_COUNT },
    () => new Uint8Array(linux.SOCKADDR_IN6_SIZE),
  );
  readonly #nameLength = new Uint32Array(1);
  #acceptedCount = 0;
  #accepting: Pick<PromiseWithResolvers<NativeConn>, "resolve" | "reject"> | undefined;
  #mayAccept = true;
  #turn = 0;
  #acceptedInTurn = 0;
  #isClosed = false;
  #tls: { ssl: OpensslSymbols; context: bigint } | undefined;

  private constructor(driver: NativeDriver, fd: number) {
    this.#driver = driver;
    this.fd = fd;
  }

  /**
   * Binds an address.
   * @param options.served All addresses of the worker: `[::]` takes IPv4 unless `0.0.0.0` does.
   * @throws StartError
   */
  static open(
    driver: NativeDriver,
    address: SocketAddress,
    options: { served: readonly SocketAddress[]; tls: TlsKeyPair | undefined },
  ): NativeListener {
    const { served, tls } = options;
    const { libc } = driver;
    const name = "path" in address ? writeUnixAddress(address.path) : writeSocketAddress(address);
    const family = name[0]!;
    const fd = libc.symbols.socket(family, linux.SOCK_STREAM | FLAGS, 0);
    const listener = new NativeListener(driver, fd);
    try {
      if (fd < 0) throw new LibcError("open a socket", libc.errno());
      driver.opened(listener);
      if (tls !== undefined) listener.#useTls(tls);
      if (!("path" in address)) listener.#configure(address, served);
      const isBound = libc.symbols.bind(fd, name, name.length) === 0;
      if (!isBound) throw new LibcError("bind", libc.errno());
      if (family === linux.AF_UNIX) listener.#path = name.slice(linux.SOCKADDR_UN_PATH);
      if (libc.symbols.listen(fd, BACKLOG) !== 0) throw new LibcError("listen", libc.errno());
      driver.watch(listener);
      return listener;
    } catch (error) {
      if (fd >= 0) listener.close();
      throw new StartError(
        `Cannot listen on ${formatSocketAddress(address)}: ${(error as Error).message}`,
        EXIT_UNAVAILABLE,
      );
    }
  }

  accept(mayPause: boolean): Promise<NativeConn> {
    this.#driver.hasStirred = true;
    return new Promise((resolve, reject) => {
      this.#accepting = { resolve, reject };
      if (!this.#mayAccept) return;
      if (mayPause && this.#isTurnOver()) this.#driver.resumeLater(this);
      else this.resume();
    });
  }

  happened(): void {
    this.#mayAccept = true;
    this.resume();
  }

  /** Accepts who waits, if anybody wants to know. */
  resume(): void {
    if (this.#accepting === undefined || this.#isClosed) return;
    const { resolve, reject } = this.#accepting;
    const name = this.#names[this.#acceptedCount++ % NAME_COUNT]!;
    while (true) {
      this.#nameLength[0] = name.length;
      const fd = this.#driver.libc.symbols.accept4(this.fd, name, this.#nameLength, FLAGS);
      if (fd >= 0) {
        this.#accepting = undefined;
        const conn = this.#connected(fd, name);
        if (conn !== undefined) return resolve(conn);
        this.#driver.libc.symbols.close(fd);
        return reject(new Error("OpenSSL has no memory"));
      }
      const errno = this.#driver.libc.errno();
      // Whoever has gone while he waited is of no concern to those behind him.
      if (errno === linux.ECONNABORTED || errno === linux.EINTR) continue;
      if (errno === linux.EAGAIN) {
        this.#mayAccept = false;
        return;
      }
      this.#accepting = undefined;
      return reject(new LibcError("accept a connection", errno));
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#driver.closing(this.fd);
    this.#driver.libc.symbols.close(this.fd);
    if (this.#path !== undefined) this.#driver.libc.symbols.unlink(this.#path);
    if (this.#tls !== undefined) this.#tls.ssl.SSL_CTX_free(this.#tls.context);
    this.#accepting?.reject(new Deno.errors.BadResource("The listener is closed"));
  }

  #configure(address: ListenAddress, served: readonly SocketAddress[]): void {
    this.#set(linux.SOL_SOCKET, linux.SO_REUSEADDR, ON);
    this.#set(linux.SOL_SOCKET, linux.SO_REUSEPORT, ON);
    // Whom it accepts inherits it.
    this.#set(linux.SOL_TCP, linux.TCP_NODELAY, ON);
    if (address.family === 6) {
      this.#set(linux.SOL_IPV6, linux.IPV6_V6ONLY, isV6Only(address, served) ? ON : OFF);
    }
  }

  #set(level: number, option: number, value: Uint8Array<ArrayBuffer>): void {
    this.#driver.libc.setOption(this.fd, [level, option], value);
  }

  #useTls(pair: TlsKeyPair): void {
    const ssl = openOpenssl();
    this.#tls = { ssl, context: newContext(ssl, pair) };
  }

  /** Returns undefined where OpenSSL has no memory for it. */
  #connected(fd: number, name: Uint8Array): NativeConn | undefined {
    if (this.#tls === undefined) return new NativeConn(this.#driver, fd, name);
    const { ssl, context } = this.#tls;
    const session = ssl.SSL_new(context);
    return session === 0n ? undefined : new NativeTlsConn(this.#driver, fd, name, { ssl, session });
  }

  #isTurnOver(): boolean {
    if (this.#turn !== this.#driver.turn) {
      this.#turn = this.#driver.turn;
      this.#acceptedInTurn = 0;
    }
    return ++this.#acceptedInTurn > ACCEPTS_PER_TURN;
  }
}
