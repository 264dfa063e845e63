/** Settings of the WebTorrent load test: names and meanings follow aquatic_ws_load_test's. */

import {
  defaultsOf,
  isInteger,
  isShare,
  parseSettings,
  printSettings,
  type Settings,
} from "./settings.ts";
import { checkTcpConfig, TCP_SETTINGS, type TcpConfig, TORRENT_SETTINGS } from "./tcp_config.ts";

export interface WsLoadConfig extends TcpConfig {
  num_connections_per_worker: number;
  url_path: string;
  torrents: TcpConfig["torrents"] & {
    offers_per_request: number;
    sdp_bytes: number;
    answer_probability: number;
  };
}

const SETTINGS = {
  ...TCP_SETTINGS,
  num_connections_per_worker: [64, "Connections of each thread, each with a peer id of its own"],
  url_path: ["/", "Path that is asked for in the upgrade"],
  torrents: {
    ...TORRENT_SETTINGS,
    offers_per_request: [10, "Offers in an announce"],
    sdp_bytes: [1000, "Length of a session description, in offers and in answers"],
    answer_probability: [1, "Share of offers that their receiver answers"],
  },
} satisfies Settings;

/** Returns the default settings. */
export function defaultWsLoadConfig(): WsLoadConfig {
  return defaultsOf(SETTINGS);
}

/** Returns the default settings as commented TOML. */
export function printWsLoadConfig(): string {
  return printSettings(SETTINGS);
}

/**
 * Reads settings from TOML; what is absent has its default.
 * @throws {SyntaxError} The text is not TOML, or a setting is wrong: the message says which.
 */
export function parseWsLoadConfig(text: string): WsLoadConfig {
  const config = parseSettings<WsLoadConfig>(SETTINGS, text);
  checkWsLoadConfig(config);
  return config;
}

/** Refuses settings that make no sense, with a SyntaxError. */
export function checkWsLoadConfig(config: WsLoadConfig): void {
  const { torrents } = config;
  const perWorker = config.num_connections_per_worker;
  checkTcpConfig(config, {
    connectionCount: perWorker * config.num_workers,
    rules: [
      [isInteger(perWorker, 1, 50_000), "num_connections_per_worker is not from 1 to 50000"],
      [/^\/[!-~]*$/.test(config.url_path), "url_path does not begin with a slash"],
      [isInteger(torrents.offers_per_request, 0, 30), "offers_per_request is not from 0 to 30"],
      [isInteger(torrents.sdp_bytes, 40, 4000), "sdp_bytes is not from 40 to 4000"],
      [isShare(torrents.answer_probability), "answer_probability is not from 0 to 1"],
    ],
  });
}
