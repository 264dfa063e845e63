/** Riptide: arguments → the command they name (server/commands/) → exit status. */

import { parseCommandLine } from "./server/cli.ts";
import { catchStrayErrors, endWithError } from "./server/lifecycle.ts";
import { flushLog } from "./server/log.ts";

if (import.meta.main) {
  catchStrayErrors();
  try {
    const run = parseCommandLine(Deno.args);
    const status = await run();
    await flushLog();
    Deno.exit(status);
  } catch (error) {
    await endWithError(error);
  }
}
