/** A thread of the UDP load test: it never returns to its event loop while it runs. */

import { UdpLoop, type UdpLoopOptions } from "./udp_loop.ts";

export interface UdpWorkerStart extends UdpLoopOptions {
  /** Not 0 at index 0: stop. */
  control: Int32Array<SharedArrayBuffer>;
}

/** Told to the main thread when connected, and when done. */
export type UdpWorkerMessage = { kind: "connected" | "done" } | { kind: "failed"; reason: string };

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<UdpWorkerStart | "go">) => void;
  postMessage(message: UdpWorkerMessage): void;
};

let loop: UdpLoop;
let control: Int32Array<SharedArrayBuffer>;

scope.onmessage = ({ data }) => {
  try {
    if (data === "go") {
      loop.run(() => Atomics.load(control, 0) !== 0);
      loop.close();
      scope.postMessage({ kind: "done" });
    } else {
      control = data.control;
      loop = new UdpLoop(data);
      loop.connect();
      scope.postMessage({ kind: "connected" });
    }
  } catch (error) {
    scope.postMessage({ kind: "failed", reason: (error as Error).message });
  }
};
