/** A client as a process that tells line by line what happens; ended by its id. */
import { strict as assert } from "node:assert";
import { within } from "../../support/deadline.ts";
import { readLines } from "../../support/lines.ts";
import { endProcess } from "../../support/processes.ts";
import { CLIENT_DEADLINE_MS } from "./peer.ts";

/** Lines that an error message shows. */
const SHOWN_LINES = 40;

export class LineProcess implements AsyncDisposable {
  readonly name: string;
  /** Its standard output so far. */
  readonly lines: string[] = [];
  readonly #process: Deno.ChildProcess;
  readonly #ended: Promise<void>;
  #status?: Deno.CommandStatus;
  #wake = () => {};

  constructor(command: string, options: { name: string; args: string[]; env?: Environment }) {
    const { name, args, env } = options;
    this.name = name;
    this.#process = new Deno.Command(command, {
      args,
      env,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#ended = this.#collect();
  }

  get hasEnded(): boolean {
    return this.#status !== undefined;
  }

  /** Waits for a line, old or new, of which `read` makes something. */
  async waitFor<T>(read: (line: string) => T | undefined, what: string): Promise<T> {
    let seenCount = 0;
    const found = async () => {
      while (true) {
        while (seenCount < this.lines.length) {
          const result = read(this.lines[seenCount++]);
          if (result !== undefined) return result;
        }
        assert.ok(!this.hasEnded, `${this.name} ended: ${this.#describe()}`);
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
    };
    return await within(found(), {
      deadlineMs: CLIENT_DEADLINE_MS,
      what: () => `${what} of ${this.name}; ${this.#describe()}`,
    });
  }

  signal(name: Deno.Signal): void {
    if (!this.hasEnded) this.#process.kill(name);
  }

  /** Ends its standard input. */
  async closeInput(): Promise<void> {
    await this.#process.stdin.close().catch(() => {});
  }

  /** Waits until it has ended. */
  async untilEnded(): Promise<void> {
    await within(this.#ended, { deadlineMs: CLIENT_DEADLINE_MS, what: `${this.name} ends` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProcess(this.#process);
    await this.closeInput();
    await this.#ended;
  }

  async #collect(): Promise<void> {
    for await (const line of readLines(this.#process.stdout)) {
      this.lines.push(line);
      this.#wake();
    }
    this.#status = await this.#process.status;
    this.#wake();
  }

  #describe(): string {
    const lines = this.lines.slice(-SHOWN_LINES).join("\n");
    return `status ${JSON.stringify(this.#status)}, its last lines:\n${lines}`;
  }
}

type Environment = Record<string, string>;
