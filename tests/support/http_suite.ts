/**
 * Conformance rows of the HTTP tracker: each runs plain, over TLS and plain through the C library,
 * or plain only where neither changes anything, against one server for a file.
 *
 * Rows keep apart by their random info hashes. Rows that need a configuration of their own start
 * their own server.
 */
import { Authority, type Certificate } from "./certificates.ts";
import { type Configuration, merge, nativeIsAvailable, type TcpService } from "./configuration.ts";
import { type Endpoint, HttpConnection, type Scheme } from "./http_client.ts";
import { type Server, type ServerOptions, startServer } from "./server.ts";
import { parseAddress } from "./udp_client.ts";

export interface HttpServerOptions extends Partial<Omit<ServerOptions, "driver">> {
  /** Default: the HTTP tracker. */
  service?: "http" | "ws";
  /** Names and addresses that its certificate is for, if not the loopback ones. */
  names?: string[];
}

/** A server of one scheme, and what a client must know of it. */
export class HttpServer implements AsyncDisposable {
  readonly scheme: Scheme;
  readonly server: Server;
  readonly authority?: Authority;

  private constructor(scheme: Scheme, server: Server, authority?: Authority) {
    this.scheme = scheme;
    this.server = server;
    this.authority = authority;
  }

  static async start(way: Way, given: HttpServerOptions = {}): Promise<HttpServer> {
    const { names, service: protocol = "http", ...options } = given;
    const [scheme, io] = way.split(", ") as [Scheme, "native"?];
    const service: TcpService = io === undefined ? protocol : `${protocol}:${io}`;
    if (scheme === "http") {
      return new HttpServer(scheme, await startServer({ ...options, driver: service }));
    }
    const authority = await Authority.create();
    try {
      const certificate = await authority.issue({ names });
      const { configuration: over = {} } = options;
      const configuration = (directory: string): Configuration =>
        merge(tlsConfiguration(certificate), typeof over === "function" ? over(directory) : over);
      const server = await startServer({ ...options, driver: service, configuration });
      return new HttpServer(scheme, server, authority);
    } catch (error) {
      await authority[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where it listens on this loopback address. */
  endpoint(hostname = "127.0.0.1"): Endpoint {
    const { port } = parseAddress(this.server.addressFor(hostname));
    return { hostname, port, authority: this.authority?.certificate };
  }

  open(hostname = "127.0.0.1"): Promise<HttpConnection> {
    return HttpConnection.open(this.endpoint(hostname));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.server[Symbol.asyncDispose]();
    } finally {
      await this.authority?.[Symbol.asyncDispose]();
    }
  }
}

/** Configuration that serves TLS with this certificate. */
export function tlsConfiguration({ certificatePath, keyPath }: Certificate): Configuration {
  return {
    network: {
      enable_tls: true,
      tls_certificate_path: certificatePath,
      tls_private_key_path: keyPath,
    },
  };
}

/** How a server is reached, and whether through the C library. */
export type Way = Scheme | "http, native" | "https, native";

/** Calls `register` for each scheme. */
export function forEachScheme(register: (scheme: Scheme) => void): void {
  register("http");
  register("https");
}

/** Calls `register` for each way that this machine has. */
export function forEachWay(register: (way: Way) => void): void {
  forEachScheme(register);
  if (!nativeIsAvailable()) return;
  register("http, native");
  register("https, native");
}

export interface HttpRowContext {
  server: HttpServer;
  /** A connection from 127.0.0.1. */
  client: HttpConnection;
  /** Opens a further connection, closed when the row ends. */
  open(hostname?: string): Promise<HttpConnection>;
}

export interface RowOptions {
  ignore?: boolean;
}

type Judge = (context: HttpRowContext) => Promise<void>;

export class HttpSuite {
  readonly way: Way;
  readonly #options: HttpServerOptions;
  #server?: HttpServer;

  /** Registers a server for the tests of this file. */
  constructor(way: Way, options: HttpServerOptions = {}) {
    this.way = way;
    this.#options = options;
    Deno.test.beforeAll(async () => {
      this.#server = await HttpServer.start(way, options);
    });
    Deno.test.afterAll(async () => {
      await this.#server?.[Symbol.asyncDispose]();
    });
  }

  /** Registers one row, judged against the server of this file. */
  row(name: string, judge: Judge, options: RowOptions = {}): void {
    Deno.test({
      name: `${name} [${this.way}]`,
      ignore: options.ignore ?? false,
      // The server outlives the row, and so does the pending read of its log.
      sanitizeOps: false,
      fn: async () => {
        if (!this.#server) throw new Error("The server did not start");
        await judgeWith(this.#server, judge);
      },
    });
  }

  /** Registers one row with a server of its own, configured over that of this file. */
  ownRow(name: string, own: HttpServerOptions, judge: Judge, options: RowOptions = {}): void {
    Deno.test({
      name: `${name} [${this.way}]`,
      ignore: options.ignore ?? false,
      sanitizeOps: false, // The server of this file goes on.
      fn: async () => {
        await using server = await HttpServer.start(this.way, { ...this.#options, ...own });
        await judgeWith(server, judge);
      },
    });
  }
}

async function judgeWith(server: HttpServer, judge: Judge): Promise<void> {
  await using connections = new AsyncDisposableStack();
  const open = async (hostname?: string) => connections.use(await server.open(hostname));
  await judge({ server, client: await open(), open });
}
