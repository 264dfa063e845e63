/** The core, compiled once; `import source` needs no read permission at run time. */
// @ts-self-types="./module.d.ts"
import source trackerModule from "./tracker.wasm";
export default trackerModule;
