/** The compiled core, to be instantiated by every worker with the one shared memory. */
declare const trackerModule: WebAssembly.Module;
export default trackerModule;
