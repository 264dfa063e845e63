/** Configuration: schemas, loading with good messages, and the commented default file. */

export { formatListenAddress, parseCidr } from "./address.ts";
export type { ListenAddress } from "./address.ts";
export { changedKeys } from "./diff.ts";
export type { FileKind, Finding } from "./file_kind.ts";
export { HTTP_FILE, HTTP_SCHEMA, type HttpConfig } from "./http.ts";
export { loadConfig, type Loaded, parseConfig } from "./load.ts";
export { applyReload, type Change } from "./reload.ts";
export { printConfig } from "./print.ts";
export { UDP_FILE, UDP_SCHEMA, type UdpConfig } from "./udp.ts";
export {
  httpOf,
  keyOf,
  sharesAddress,
  TRACKER_FILE,
  type TrackerConfig,
  udpOf,
  wsOf,
} from "./tracker.ts";
export { WS_FILE, type WsConfig } from "./ws.ts";
