/**
 * The log: text on a terminal, JSON lines otherwise, always to standard error.
 *
 * Writing neither blocks nor fails (line_queue.ts): a full disk, a closed pipe or a reader that
 * stopped costs lines, which are counted. Nothing here belongs on the data plane.
 */

import {
  configureSync,
  getLogger as getLogTapeLogger,
  type Logger,
  type LogLevel as LogTapeLevel,
  type LogRecord,
  sanitizeControlSequences,
} from "@logtape/logtape";
import { LineQueue } from "./line_queue.ts";
import { plural } from "./plural.ts";

export type { Logger } from "@logtape/logtape";

/** What an operator may choose, from little to much. */
export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = typeof LOG_LEVELS[number];

/**
 * `auto` is text on a terminal and JSON otherwise; `journald` is text behind the priority that
 * systemd reads, without the time that it has itself.
 */
export const LOG_FORMATS = ["auto", "text", "json", "journald"] as const;
export type LogFormat = typeof LOG_FORMATS[number];

const LEVEL_NAMES: Record<LogTapeLevel, string> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warning: "warn",
  error: "error",
  fatal: "error",
};
const LEVEL_COLORS: Record<string, number> = { debug: 90, info: 32, warn: 33, error: 31 };

/** In JSON, the part of the program that lines are of which come from no part. */
const PROCESS = "process";

/** As in syslog(3). */
const PRIORITIES: Record<string, number> = { debug: 7, info: 6, warn: 4, error: 3 };

let format: (record: LogRecord) => string = formatJson;
let level: LogLevel | undefined;

const standardError = new LineQueue(Deno.stderr, {
  formatLost: (count) =>
    format({
      category: ["riptide", "log"],
      level: "warning",
      message: ["Lost ", count, ` ${plural(count, "line")} that could not be written`],
      rawMessage: "Lost {count} lines that could not be written",
      timestamp: Date.now(),
      properties: { count },
    }),
});

/** The logger of one part of the program, such as `getLogger("udp")`. */
export function getLogger(...category: string[]): Logger {
  return getLogTapeLogger(["riptide", ...category]);
}

/** The level in force; none before the log is configured. */
export function logLevel(): LogLevel | undefined {
  return level;
}

/** Sends all loggers to standard error; may be called again, for instance at a reload. */
export function configureLog(options: { level: LogLevel; format: LogFormat }): void {
  level = options.level;
  const isTerminal = Deno.stderr.isTerminal();
  const asText = options.format === "text" || (options.format === "auto" && isTerminal);
  const color = isTerminal && !Deno.noColor;
  if (options.format === "journald") format = formatJournald;
  else format = asText ? (record) => formatText(record, { color }) : formatJson;
  const lowestLevel = level === "warn" ? "warning" : level;
  configureSync({
    reset: true,
    sinks: { stderr: (record) => standardError.enqueue(format(record)) },
    loggers: [
      { category: ["riptide"], sinks: ["stderr"], lowestLevel },
      { category: ["logtape", "meta"], sinks: [], lowestLevel: "error" },
    ],
  });
}

/** Waits until what was logged so far is written, or until it takes too long. */
export function flushLog(timeoutMilliseconds = 500): Promise<void> {
  return standardError.flush(timeoutMilliseconds);
}

/** Writes one line for a person; for the level and shape see the top of this file. */
export function formatText(record: LogRecord, options: { color: boolean }): string {
  const name = LEVEL_NAMES[record.level];
  const time = new Date(record.timestamp).toISOString().replace("T", " ").slice(0, 19) + "Z";
  const part = record.category.slice(1).join(".");
  const message = (part === "" ? "" : `${part}: `) + renderMessage(record.message);
  const padded = name.padEnd(5);
  if (!options.color) return `${time} ${padded} ${message}\n`;
  return `\x1b[90m${time}\x1b[0m \x1b[${LEVEL_COLORS[name]}m${padded}\x1b[0m ${message}\n`;
}

/** Writes one line for systemd's journal (sd-daemon(3)). */
export function formatJournald(record: LogRecord): string {
  const part = record.category.slice(1).join(".");
  const message = (part === "" ? "" : `${part}: `) + renderMessage(record.message);
  return `<${PRIORITIES[LEVEL_NAMES[record.level]]}>${message}\n`;
}

/** Writes one JSON object on one line: time, level, category, message, properties. */
export function formatJson(record: LogRecord): string {
  const line = {
    time: new Date(record.timestamp).toISOString(),
    level: LEVEL_NAMES[record.level],
    category: record.category.slice(1).join(".") || PROCESS,
    message: renderMessage(record.message),
    properties: record.properties,
  };
  try {
    return JSON.stringify(line, toPlain) + "\n";
  } catch { // a property that is no tree, or whose getter throws
    return JSON.stringify({ ...line, properties: {} }) + "\n";
  }
}

function renderMessage(parts: readonly unknown[]): string {
  const text = parts.map((part, index) => index % 2 === 0 ? part : renderValue(part)).join("");
  return sanitizeControlSequences(text, { sgr: "escape", newlines: "escape" });
}

function renderValue(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.message;
  return Deno.inspect(value, { colors: false, compact: true, breakLength: Infinity });
}

function toPlain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Error) return { name: value.name, message: value.message };
  return value;
}
