/**
 * Conformance rows of the WebTorrent tracker: each runs plain, over TLS and plain through the C
 * library, against one server for a file.
 *
 * Rows keep apart by their random info hashes. Rows that need a configuration of their own start
 * their own server.
 */
import { forEachWay, HttpServer, type HttpServerOptions, type Way } from "./http_suite.ts";
import { type UpgradeOptions, WsConnection } from "./ws_client.ts";

export interface WsRowContext {
  server: HttpServer;
  /** A connection from 127.0.0.1. */
  client: WsConnection;
  /** Opens a further connection, closed when the row ends. */
  open(options?: UpgradeOptions & { hostname?: string }): Promise<WsConnection>;
}

type Judge = (context: WsRowContext) => Promise<void>;

/** Calls `register` with a suite for each way that this machine has. */
export function forEachSuite(
  register: (suite: WsSuite) => void,
  options: HttpServerOptions = {},
): void {
  forEachWay((way) => register(new WsSuite(way, options)));
}

export class WsSuite {
  readonly way: Way;
  readonly #options: HttpServerOptions;
  #server?: HttpServer;

  /** Registers a server for the tests of this file. */
  constructor(way: Way, options: HttpServerOptions = {}) {
    this.way = way;
    this.#options = { ...options, service: "ws" };
    Deno.test.beforeAll(async () => {
      this.#server = await HttpServer.start(way, this.#options);
    });
    Deno.test.afterAll(async () => {
      await this.#server?.[Symbol.asyncDispose]();
    });
  }

  /** Registers one row, judged against the server of this file. */
  row(name: string, judge: Judge, options: { ignore?: boolean } = {}): void {
    this.#register(name, options, async () => {
      if (!this.#server) throw new Error("The server did not start");
      await judgeWith(this.#server, judge);
    });
  }

  /** Registers one row with a server of its own, configured over that of this file. */
  ownRow(name: string, own: HttpServerOptions, judge: Judge): void {
    this.#register(name, {}, async () => {
      await using server = await HttpServer.start(this.way, { ...this.#options, ...own });
      await judgeWith(server, judge);
    });
  }

  #register(name: string, { ignore = false }: { ignore?: boolean }, fn: () => Promise<void>): void {
    Deno.test({
      name: `${name} [${this.way.replace("http", "ws")}]`,
      ignore,
      // The server outlives the row, and so does the pending read of its log.
      sanitizeOps: false,
      fn,
    });
  }
}

async function judgeWith(server: HttpServer, judge: Judge): Promise<void> {
  await using connections = new AsyncDisposableStack();
  const open: WsRowContext["open"] = async ({ hostname, ...options } = {}) =>
    connections.use(await WsConnection.open(server.endpoint(hostname), options));
  await judge({ server, client: await open(), open });
}
