/**
 * The core's exports, guarded: a call that traps clears up behind itself before the error goes on.
 *
 * It has to happen at once, not when the worker is replaced: until then, other workers wait for the
 * lock that the call held, and this one would wait for itself in its next call.
 */

type Export = (...args: number[]) => number;

/**
 * Wraps every function of an instance.
 * @param workerIndex Whose calls they are.
 */
export function guardExports(
  exports: WebAssembly.Exports,
  workerIndex: number,
): Record<string, Export> {
  const recover = exports.recover as Export;
  const guarded: Record<string, Export> = {};
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value !== "function") continue;
    const call = value as Export;
    // By arity: arguments as they are cost about 25 ns a call (2026-11-24), spreading them more.
    guarded[name] = call.length <= 4
      ? (a, b, c, d) => {
        try {
          return call(a!, b!, c!, d!);
        } catch (error) {
          recover(workerIndex);
          throw error;
        }
      }
      : (...args) => {
        try {
          return call(...args);
        } catch (error) {
          recover(workerIndex);
          throw error;
        }
      };
  }
  return guarded;
}
