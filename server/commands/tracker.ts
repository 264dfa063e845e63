/** The command `tracker`: several protocols in one process, on shared swarms. */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import { command } from "@optique/core/primitives";
import type { TrackerConfig } from "../config/mod.ts";
import type { Tracker } from "../lifecycle.ts";
import type { Service } from "../service.ts";
import type { Served } from "./serve.ts";
import { SIGNALS, type TrackerArguments, trackerOptions } from "./tracker_options.ts";

export const tracker = command("tracker", map(object(trackerOptions), (args) => () => run(args)), {
  brief: message`Run a tracker of several protocols, on shared swarms.`,
  footer: SIGNALS,
});

/** What the command serves; the doctor examines the same. */
export async function servedTracker(): Promise<Served<TrackerConfig>> {
  const { TRACKER_FILE } = await import("../config/mod.ts");
  const { trackerPermissions } = await import("../permissions.ts");
  return { kind: TRACKER_FILE, overrides: {}, permissions: trackerPermissions, start };
}

async function run(args: TrackerArguments): Promise<number> {
  const { serve } = await import("./serve.ts");
  return await serve(await servedTracker(), args);
}

/** Starts the protocols whose tables are there. */
async function start(
  config: TrackerConfig,
  options: { takeOver: boolean },
): Promise<Tracker<TrackerConfig>> {
  const { httpOf, keyOf, sharesAddress, udpOf, wsOf } = await import("../config/mod.ts");
  const { partOf, withoutWorkers } = await import("../service.ts");
  const { startTracker } = await import("../tracker.ts");
  const services: Service<TrackerConfig>[] = [];
  const udp = udpOf(config);
  if (udp !== undefined) {
    const { udpService } = await import("../../protocols/udp/mod.ts");
    services.push(partOf(udpService(udp, options), {
      select: udpOf,
      keyOf: (key) => keyOf("udp", key),
    }));
  }
  const isShared = sharesAddress(config);
  // Before HTTP, whose settings of what both have in common then hold.
  const webTorrentOf = (whole: TrackerConfig) => {
    const ws = wsOf(whole);
    return ws && isShared ? whole.http && { ...ws, http: whole.http } : ws;
  };
  const ws = webTorrentOf(config);
  if (ws !== undefined) {
    const { wsService } = await import("../../protocols/ws/mod.ts");
    services.push(partOf(await wsService(ws, options), {
      select: webTorrentOf,
      keyOf: (key) => keyOf("ws", key),
    }));
  }
  const http = httpOf(config);
  if (http !== undefined) {
    const { httpService } = await import("../../protocols/http/mod.ts");
    const service = await httpService(http, options);
    services.push(partOf(isShared ? withoutWorkers(service) : service, {
      select: httpOf,
      keyOf: (key) => keyOf("http", key),
    }));
  }
  return await startTracker(config, services);
}
