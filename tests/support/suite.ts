/**
 * Conformance rows: each runs for both drivers, against one server for a file.
 *
 * Rows keep apart by their random info hashes. Rows that need a configuration of their own start
 * their own server.
 */
import { type Driver, nativeIsAvailable } from "./configuration.ts";
import { type Server, type ServerOptions, startServer } from "./server.ts";
import { UdpClient } from "./udp_client.ts";

/** Calls `register` for each driver; its tests are visibly ignored where the driver cannot run. */
export function forEachDriver(register: (driver: Driver, ignore: boolean) => void): void {
  register("deno", false);
  register("native", !nativeIsAvailable());
}

export interface RowContext {
  driver: Driver;
  server: Server;
  /** A client on 127.0.0.1 that has a connection id. */
  client: UdpClient;
  /** Opens a further client, with a connection id, closed when the row ends. */
  open(hostname?: string): Promise<UdpClient>;
}

export class Suite {
  readonly driver: Driver;
  readonly ignore: boolean;
  #server?: Server;

  /** Registers a server for the tests of this file. */
  constructor(options: ServerOptions & { driver: Driver; ignore: boolean }) {
    this.driver = options.driver;
    this.ignore = options.ignore;
    if (options.ignore) return;
    Deno.test.beforeAll(async () => void (this.#server = await startServer(options)));
    Deno.test.afterAll(async () => await this.#server?.stop());
  }

  get server(): Server {
    if (!this.#server) throw new Error("The server did not start");
    return this.#server;
  }

  /** Registers one row. */
  row(
    name: string,
    judge: (context: RowContext) => Promise<void>,
    options: { ignore?: boolean } = {},
  ): void {
    Deno.test({
      name: `${name} [${this.driver}]`,
      ignore: this.ignore || (options.ignore ?? false),
      // The server outlives the row, and so does the pending read of its log.
      sanitizeOps: false,
      fn: async () => {
        await using clients = new AsyncDisposableStack();
        const open = async (hostname = "127.0.0.1") => {
          const prefix = hostname.includes(":") ? `[${hostname}]` : "127.0.0.1";
          const client = clients.use(new UdpClient(hostname, this.server.address(prefix)));
          await client.connect();
          return client;
        };
        await judge({ driver: this.driver, server: this.server, client: await open(), open });
      },
    });
  }
}
