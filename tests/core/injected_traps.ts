/**
 * A build of the core that traps where a test says: at its n-th access to memory from now on.
 *
 * Binaryen puts a call of ours before every load and store of the release build. A trap in the
 * midst of anything is what a fault of ours would be; most places where this one strikes could not
 * trap by themselves, which makes it the harder test.
 */
import binaryen from "assemblyscript/binaryen";

/** Accesses of all instances since the start, and the one that traps, once; 0 for none. */
export const traps = { accesses: 0, at: 0 };

/** Has the next trap come after so many accesses. */
export function trapAfter(accesses: number): void {
  traps.at = traps.accesses + accesses;
}

function passPointer(_id: number, _byteLength: number, _offset: number, ptr: number): number {
  if (++traps.accesses === traps.at) throw new WebAssembly.RuntimeError("injected");
  return ptr;
}

const passValue = (_id: number, value: number | bigint) => value;
const HOOKS = {
  load_ptr: passPointer,
  store_ptr: passPointer,
  load_val_i32: passValue,
  load_val_i64: passValue,
  load_val_f32: passValue,
  load_val_f64: passValue,
  store_val_i32: passValue,
  store_val_i64: passValue,
  store_val_f32: passValue,
  store_val_f64: passValue,
  memory_grow_pre: passValue,
  memory_grow_post: passValue,
};

// Whoever makes an instance, in wasm/ and here, gets the hooks as well.
const { Instance } = WebAssembly;
WebAssembly.Instance = class extends Instance {
  constructor(module: WebAssembly.Module, imports: WebAssembly.Imports = {}) {
    super(module, { env: { ...HOOKS, ...imports.env } });
  }
} as typeof Instance;

export async function compileWithTraps(): Promise<WebAssembly.Module> {
  const release = new URL("../../wasm/tracker.wasm", import.meta.url);
  const module = binaryen.readBinary(await Deno.readFile(release));
  module.runPasses(["instrument-memory"]);
  const instrumented = new Uint8Array(module.emitBinary());
  module.dispose();
  return await WebAssembly.compile(instrumented);
}
