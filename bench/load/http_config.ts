/** Settings of the HTTP load test: names and meanings follow aquatic_http_load_test's. */

import { defaultsOf, isInteger, parseSettings, printSettings, type Settings } from "./settings.ts";
import { checkTcpConfig, TCP_SETTINGS, type TcpConfig, TORRENT_SETTINGS } from "./tcp_config.ts";

export interface HttpLoadConfig extends TcpConfig {
  num_connections: number;
  url_suffix: string;
  keep_alive: boolean;
  pipelining_depth: number;
  torrents: TcpConfig["torrents"] & { announce_peers_wanted: number };
}

const SETTINGS = {
  ...TCP_SETTINGS,
  num_connections: [128, "Connections of each thread"],
  url_suffix: ["", 'Text behind the path: "/my_token" makes it /announce/my_token'],
  keep_alive: [true, "Send many requests over a connection; false: one for each request"],
  pipelining_depth: [1, "Requests of a connection that wait for an answer at any time"],
  torrents: {
    ...TORRENT_SETTINGS,
    announce_peers_wanted: [50, "Peers asked for in an announce"],
  },
} satisfies Settings;

/** Returns the default settings. */
export function defaultHttpLoadConfig(): HttpLoadConfig {
  return defaultsOf(SETTINGS);
}

/** Returns the default settings as commented TOML. */
export function printHttpLoadConfig(): string {
  return printSettings(SETTINGS);
}

/**
 * Reads settings from TOML; what is absent has its default.
 * @throws {SyntaxError} The text is not TOML, or a setting is wrong: the message says which.
 */
export function parseHttpLoadConfig(text: string): HttpLoadConfig {
  const config = parseSettings<HttpLoadConfig>(SETTINGS, text);
  checkHttpLoadConfig(config);
  return config;
}

/** Refuses settings that make no sense, with a SyntaxError. */
export function checkHttpLoadConfig(config: HttpLoadConfig): void {
  checkTcpConfig(config, {
    connectionCount: config.num_connections * config.num_workers,
    rules: [
      [isInteger(config.num_connections, 1, 50_000), "num_connections is not from 1 to 50000"],
      [/^(\/[\w.~-]*)*$/.test(config.url_suffix), "url_suffix is no part of a path"],
      [isInteger(config.pipelining_depth, 1, 64), "pipelining_depth is not from 1 to 64"],
      [
        config.keep_alive || config.pipelining_depth === 1,
        "pipelining_depth is above 1 without keep_alive",
      ],
      [
        isInteger(config.torrents.announce_peers_wanted, 0, 1000),
        "announce_peers_wanted is not from 0 to 1000",
      ],
    ],
  });
}
