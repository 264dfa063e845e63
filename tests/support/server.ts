/**
 * Riptide as its users run it: a process of its own, a configuration file, signals.
 *
 * Ready means that it logged every address it listens on. Each process is ended by its id, also
 * when a test fails; one that is asked to stop must exit with 0 and must not have logged an error.
 */
import { strict as assert } from "node:assert";
import { type Configuration, merge, readTask, REPOSITORY } from "./configuration.ts";
import { LOOPBACK, type Service, toToml } from "./configuration.ts";
import { within } from "./deadline.ts";
import { readLines } from "./lines.ts";
import { endProcess } from "./processes.ts";

const START_DEADLINE_MS = 30_000;
/** Above the two seconds that are promised, for machines busy with other things. */
const STOP_DEADLINE_MS = 10_000;
const RECORD_DEADLINE_MS = 10_000;

/** One line of the log. */
export interface LogRecord {
  level: string;
  /** Part of the program, such as `udp`. */
  category: string;
  message: string;
  properties: Record<string, unknown>;
}

export interface ServerOptions {
  driver: Service;
  /** What differs from the tests' defaults; a function gets the server's own directory. */
  configuration?: Configuration | ((directory: string) => Configuration);
  /** Files to put into the server's own directory. */
  files?: Record<string, string>;
  /** Arguments of `deno run` up to main.ts, instead of the task's. */
  run?: string[];
  /** Further arguments of main.ts. */
  main?: string[];
  /** A shell command line that starts `"$@"` in some special way, such as `exec "$@" >&-`. */
  shell?: string;
  /** Errors in the log that the test provokes. */
  expectErrors?: boolean;
  /** Do not wait until it listens: its log goes elsewhere. */
  unobserved?: boolean;
}

const DEFAULTS: Configuration = {
  log_level: "info",
  log_format: "json",
  memory: { limit_mib: 64 },
  statistics: { interval: 0 },
};

/** Starts a server and waits until it listens on all its addresses. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const directory = await Deno.makeTempDir({ prefix: "riptide-test-" });
  for (const [name, text] of Object.entries(options.files ?? {})) {
    await Deno.writeTextFile(`${directory}/${name}`, text);
  }
  const { configuration = {} } = options;
  const own = typeof configuration === "function" ? configuration(directory) : configuration;
  const { driver } = options;
  const whole = merge(merge(DEFAULTS, defaultsOf(driver)), own);
  await Deno.writeTextFile(`${directory}/riptide.toml`, toToml(whole));
  const server = new Server(directory, options);
  if (options.unobserved) return server;
  try {
    await server.waitUntilListening(addressesOf(whole).length);
  } catch (error) {
    await server.kill();
    throw error;
  }
  return server;
}

/** One protocol's server has its network at the top; one of several, in the protocols' tables. */
function defaultsOf(driver: Service): Configuration {
  if (driver === "tracker") return {};
  const io = driver.replace(/^(http|ws):?/, "");
  return { network: { address: LOOPBACK, ...(io === "" ? {} : { io }) } };
}

/** Every address of every table `network`. */
function addressesOf(configuration: Configuration): string[] {
  return Object.entries(configuration).flatMap(([name, value]) => {
    if (typeof value !== "object" || Array.isArray(value)) return [];
    if (name !== "network") return addressesOf(value);
    return [value.address as string | string[]].flat();
  });
}

/** Starts a server that must fail, and returns how it ended. */
export async function runFailing(options: ServerOptions): Promise<Server> {
  const server = await startServer({ ...options, unobserved: true, expectErrors: true });
  try {
    await within(server.ended, { deadlineMs: START_DEADLINE_MS, what: "the server ends" });
  } finally {
    await server.kill();
  }
  return server;
}

export class Server {
  readonly directory: string;
  /** Lines on standard error that are not JSON records. */
  readonly text: string[] = [];
  readonly records: LogRecord[] = [];
  /** Settles when the process has ended and all its output was read. */
  readonly ended: Promise<Deno.CommandStatus>;
  readonly #process: Deno.ChildProcess;
  readonly #expectErrors: boolean;
  readonly #waiters = new Set<() => void>();
  #hasEnded = false;

  constructor(directory: string, options: ServerOptions) {
    this.directory = directory;
    this.#expectErrors = options.expectErrors ?? false;
    const task = readTask(options.driver);
    const deno = [
      ...(options.run ?? task.run),
      "main.ts",
      ...task.main,
      "-c",
      `${directory}/riptide.toml`,
      ...(options.main ?? []),
    ];
    const command = options.shell === undefined
      ? new Deno.Command(Deno.execPath(), { args: deno, ...STREAMS })
      : new Deno.Command("sh", {
        args: ["-c", options.shell, "sh", Deno.execPath(), ...deno],
        ...STREAMS,
      });
    this.#process = command.spawn();
    this.ended = this.#collect();
  }

  get processId(): number {
    return this.#process.pid;
  }

  /** The addresses that the server said it listens on, in the order of its log. */
  get addresses(): string[] {
    return this.records
      .filter(({ message }) => message.startsWith("Listening on "))
      .map(({ properties }) => String(properties.address));
  }

  /** The address that begins so: `127.0.0.1` or `[::1]`. */
  address(prefix: string): string {
    const address = this.addresses.find((candidate) => candidate.startsWith(`${prefix}:`));
    if (address === undefined) throw new Error(`Not listening on ${prefix}: ${this.log}`);
    return address;
  }

  /** The address that a client on `hostname` can ask. */
  addressFor(hostname: string): string {
    if (hostname.includes(":")) return this.address(`[${hostname}]`);
    return this.address(hostname.startsWith("127.") ? "127.0.0.1" : hostname);
  }

  /** The first address of a protocol of several. */
  addressOf(protocol: string): string {
    const record = this.records.find(({ category, message }) =>
      category === protocol && message.startsWith("Listening on ")
    );
    if (record === undefined) throw new Error(`No address of ${protocol}: ${this.log}`);
    return String(record.properties.address);
  }

  /** Everything that it wrote to standard error, for messages. */
  get log(): string {
    const records = this.records.map(({ level, message, properties }) =>
      `${level}: ${message} ${Deno.inspect(properties, { breakLength: Infinity })}`
    );
    return [...this.text, ...records].join("\n");
  }

  async waitUntilListening(addressCount: number): Promise<void> {
    await this.#waitUntil(() => this.addresses.length >= addressCount, {
      deadlineMs: START_DEADLINE_MS,
      what: `${addressCount} × "Listening on"`,
    });
  }

  /** Waits for a log record that was not there before `since` (an index into `records`). */
  async waitForRecord(
    matches: (record: LogRecord) => boolean,
    options: { since?: number; what: string },
  ): Promise<LogRecord> {
    const find = () => this.records.slice(options.since ?? 0).find(matches);
    await this.#waitUntil(() => find() !== undefined, {
      deadlineMs: RECORD_DEADLINE_MS,
      what: options.what,
    });
    return find()!;
  }

  signal(name: Deno.Signal): void {
    this.#process.kill(name);
  }

  /** Asks it to stop; it must do so with status 0 and without complaints. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    try {
      this.signal(signal);
      const status = await within(this.ended, {
        deadlineMs: STOP_DEADLINE_MS,
        what: () => `the server stops on ${signal}; its log: ${this.log}`,
      });
      assert.equal(status.code, 0, `Exit status; log: ${this.log}`);
      assert.equal(status.signal, null);
      if (!this.#expectErrors) assert.deepEqual(this.errors, []);
    } finally {
      await this.kill();
    }
  }

  /** Records that say something went wrong. */
  get errors(): LogRecord[] {
    return this.records.filter(({ level }) => level === "error" || level === "fatal");
  }

  /** Ends the process at once if it still runs, and removes its directory. */
  async kill(): Promise<void> {
    await endProcess(this.#process);
    await this.ended;
    await Deno.remove(this.directory, { recursive: true }).catch(() => {});
  }

  /** Stops it as `stop()` does unless it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasEnded) return await this.kill();
    await this.stop();
  }

  async #collect(): Promise<Deno.CommandStatus> {
    for await (const line of readLines(this.#process.stderr)) {
      this.#take(line);
      for (const wake of this.#waiters) wake();
    }
    const status = await this.#process.status;
    this.#hasEnded = true;
    for (const wake of this.#waiters) wake();
    return status;
  }

  #take(line: string): void {
    if (!line.startsWith("{")) {
      if (line !== "") this.text.push(line);
      return;
    }
    const { level, category, message, properties = {} } = JSON.parse(line);
    this.records.push({ level: String(level).toLowerCase(), category, message, properties });
  }

  async #waitUntil(
    holds: () => boolean,
    options: { deadlineMs: number; what: string },
  ): Promise<void> {
    const told = new Promise<void>((resolve, reject) => {
      const look = () => {
        if (holds()) resolve();
        else if (this.#hasEnded) reject(new Error(`Ended before ${options.what}: ${this.log}`));
        else return;
        this.#waiters.delete(look);
      };
      this.#waiters.add(look);
      look();
    });
    const what = () => `${options.what}; log: ${this.log}`;
    await within(told, { deadlineMs: options.deadlineMs, what });
  }
}

const STREAMS = { cwd: REPOSITORY, stdin: "null", stdout: "null", stderr: "piped" } as const;
