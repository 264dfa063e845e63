/** Plain output before and beside the log. It never fails, whatever has become of the streams. */

import { EXIT_FAILURE } from "./exit_status.ts";

/** Writes all of a text to standard output; a reader that went away has simply seen enough. */
export function printOut(text: string): void {
  try {
    writeAll(Deno.stdout, text);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return;
    const reason = error instanceof Error ? error.message : String(error);
    printError(`Cannot write to standard output: ${reason.replace(/ \(os error \d+\)/, "")}`);
    Deno.exit(EXIT_FAILURE);
  }
}

/** Writes lines to standard error if that is possible. */
export function printError(text: string): void {
  try {
    writeAll(Deno.stderr, text + "\n");
  } catch { // there is nowhere else to say it
  }
}

function writeAll(stream: typeof Deno.stdout, text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.byteLength > 0) {
    try {
      bytes = bytes.subarray(stream.writeSync(bytes));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      const cell = new Int32Array(new SharedArrayBuffer(4));
      Atomics.wait(cell, 0, 0, 5); // a non-blocking pipe is full
    }
  }
}
