/**
 * Compiles assembly/ to wasm/, when what is there is older: tracker.wasm, which runs, the same with
 * debug names, and one for tests that exports inner functions as well.
 *
 * Writes to standard error only, and nothing when up to date: tasks that print a configuration or
 * JSON depend on this one.
 */
import asc from "assemblyscript/asc";
import binaryen from "assemblyscript/binaryen";

const COMMON = [
  "--runtime",
  "stub",
  "--use",
  "abort=",
  "--importMemory",
  "--noExportMemory",
  "--sharedMemory",
  "--initialMemory",
  "16",
  "--maximumMemory",
  "65536",
  "--enable",
  "threads",
  "--enable",
  "simd",
  // Pointers and u32 are the same width here and always will be: wasm32.
  "--disableWarning",
  "201",
  "--exportStart",
  "_start",
];
const ENTRY = "assembly/index.ts";
const TEST_ENTRY = "assembly/test_entry.ts";
const RELEASE = ["-O3", "--converge", "--noAssert"];
const TARGETS = [
  { source: ENTRY, file: "wasm/tracker.wasm", options: RELEASE },
  { source: ENTRY, file: "wasm/tracker.debug.wasm", options: ["--debug"] },
  { source: TEST_ENTRY, file: "wasm/tracker.test.wasm", options: ["-O1", "--debug"] },
];

const root = new URL("..", import.meta.url);
Deno.chdir(root);
const newest = await newestSource();
for (const target of TARGETS) {
  if (await modified(target.file) > newest) continue;
  await compile(target);
}

async function compile({ source, file, options }: typeof TARGETS[number]): Promise<void> {
  const parameters = [source, ...COMMON, "--outFile", file, ...options];
  const { error, stderr } = await asc.main(parameters, {
    readFile: readSource,
    writeFile: async (name, contents) =>
      await Deno.writeFile(
        name,
        options === RELEASE ? inlineFurther(contents as Uint8Array) : contents as Uint8Array,
      ),
  });
  if (error) {
    console.error(stderr.toString());
    console.error(`Cannot compile ${source}: ${error.message}`);
    Deno.exit(1);
  }
  console.error(`Built ${file}`);
}

/**
 * asc inlines sparingly, and Deno's engine not at all. An announce passes some 25 functions, each
 * of which costs it a frame and a stack check: without them it takes a fifth less time
 * (docs/BENCHMARKS.md). Sizes are in binaryen's count of expressions; twice as much brings nothing
 * more.
 */
function inlineFurther(wasm: Uint8Array): Uint8Array {
  const module = binaryen.readBinary(wasm);
  const { Atomics, BulkMemory, BulkMemoryOpt, MutableGlobals, SignExt, SIMD128 } =
    binaryen.Features;
  module.setFeatures(Atomics | BulkMemory | BulkMemoryOpt | MutableGlobals | SignExt | SIMD128);
  binaryen.setOptimizeLevel(3);
  binaryen.setShrinkLevel(0);
  binaryen.setOneCallerInlineMaxSize(4_000);
  binaryen.setFlexibleInlineMaxSize(400);
  binaryen.setAlwaysInlineMaxSize(40);
  // What was inlined makes more callers small enough.
  for (let pass = 0; pass < 3; ++pass) {
    module.runPasses(["inlining-optimizing"]);
    module.optimize();
  }
  const inlined = module.emitBinary();
  module.dispose();
  return inlined;
}

/**
 * Deno wants an extension in `export * from "./part.ts"`, and asc appends another one: only
 * layout.ts, which both of them read, has such lines.
 */
async function readSource(name: string, directory: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(`${directory}/${name.replace(/\.ts\.ts$/, ".ts")}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function newestSource(): Promise<number> {
  let newest = Math.max(await modified("tools/build.ts"), await modified("deno.json"));
  for await (const entry of Deno.readDir("assembly")) {
    newest = Math.max(newest, await modified(`assembly/${entry.name}`));
  }
  return newest;
}

/** Milliseconds of the last change; 0 where there is no such file. */
async function modified(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
