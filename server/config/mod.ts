/** Configuration: schemas, loading with good messages, and the commented default file. */

export { formatCidr, formatListenAddress, parseCidr, parseListenAddress } from "./address.ts";
export type { Cidr, ListenAddress } from "./address.ts";
export { changedKeys } from "./diff.ts";
export type { FileKind, Finding } from "./file_kind.ts";
export { HTTP_FILE, HTTP_SCHEMA, type HttpConfig } from "./http.ts";
export { loadConfig, type Loaded, type LoadOptions, parseConfig } from "./load.ts";
export { applyReload, type Change } from "./reload.ts";
export { printConfig } from "./print.ts";
export { UDP_FILE, UDP_SCHEMA, type UdpConfig } from "./udp.ts";
export {
  httpOf,
  keyOf,
  sharesAddress,
  TRACKER_FILE,
  TRACKER_SCHEMA,
  type TrackerConfig,
  udpOf,
  wsOf,
} from "./tracker.ts";
export { WS_FILE, WS_SCHEMA, type WsConfig } from "./ws.ts";
