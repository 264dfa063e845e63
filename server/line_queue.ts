/**
 * A bounded queue of text lines before a writer that may block, fail and recover.
 *
 * Invariant: `enqueue()` neither waits nor throws. What does not get through is counted, and the
 * next write that succeeds begins with a line that tells the count.
 */

/** Lines that wait at most while the writer takes none. */
const LINES_MAX = 2_000;
/** How long the writer is left alone after it refused. */
const RETRY_MILLISECONDS = 250;
/** How long to wait for a non-blocking pipe that is full. */
const FULL_PIPE_MILLISECONDS = 20;

/** The part of `Deno.stderr` that is needed here. */
export interface ByteWriter {
  write(bytes: Uint8Array): Promise<number>;
}

export class LineQueue {
  readonly #writer: ByteWriter;
  readonly #formatLost: (count: number) => string;
  readonly #encoder = new TextEncoder();
  #lines: string[] = [];
  #lostCount = 0;
  /** A write that failed halfway left a line without its end. */
  #isLineOpen = false;
  #running: Promise<void> | undefined;

  /** @param options.formatLost Writes the line (with its end) that says how many were lost. */
  constructor(writer: ByteWriter, options: { formatLost: (count: number) => string }) {
    this.#writer = writer;
    this.#formatLost = options.formatLost;
  }

  /** Takes a line that ends in a line feed. */
  enqueue(line: string): void {
    if (this.#lines.length >= LINES_MAX) {
      this.#lostCount++;
      return;
    }
    this.#lines.push(line);
    this.#running ??= this.#run();
  }

  /** Waits until the queue is empty, or until it takes too long. */
  async flush(timeoutMilliseconds: number): Promise<void> {
    if (this.#running === undefined) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMilliseconds);
    });
    await Promise.race([this.#running, timeout]);
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    await undefined; // lines of one turn go out in one write
    while (this.#lines.length > 0) {
      const lines = this.#lines;
      const lostCount = this.#lostCount;
      this.#lines = [];
      this.#lostCount = 0;
      const text = (this.#isLineOpen ? "\n" : "") +
        (lostCount > 0 ? this.#formatLost(lostCount) : "") + lines.join("");
      if (await this.#writeAll(this.#encoder.encode(text))) continue;
      this.#lostCount += lostCount + lines.length;
      await sleep(RETRY_MILLISECONDS);
    }
    this.#running = undefined;
  }

  async #writeAll(bytes: Uint8Array): Promise<boolean> {
    let offset = 0;
    while (offset < bytes.byteLength) {
      try {
        const byteLength = await this.#writer.write(bytes.subarray(offset));
        if (byteLength === 0) return false;
        offset += byteLength;
        this.#isLineOpen = offset < bytes.byteLength;
      } catch (error) {
        if (!(error instanceof Deno.errors.WouldBlock)) return false; // disk full, reader gone
        await sleep(FULL_PIPE_MILLISECONDS);
      }
    }
    return true;
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
