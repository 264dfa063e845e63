/** What the doctor finds. */
import { ConfigError, toStartError } from "../errors.ts";
import { EXIT_FAILURE, EXIT_OK } from "../exit_status.ts";

/**
 * `error`: a start would be refused. `warning`: it would start, and something will go wrong.
 * `note`: worth knowing. `fine`: looked at, and in order.
 */
export type Severity = "error" | "warning" | "note" | "fine";

/** One thing that was looked at. */
export interface Finding {
  severity: Severity;
  /** What was looked at, in a word or two that scripts may compare. */
  subject: string;
  /** What is the matter, with the values that say so. */
  what: string;
  /** How to mend it; nothing where there is nothing to do. */
  mend?: string;
  /** Of an error: what a start would exit with. */
  exitStatus?: number;
}

/** Each line of an error's message is a finding. */
export function toFindings(subject: string, thrown: unknown): Finding[] {
  const error = toStartError(thrown);
  const lines = error instanceof ConfigError ? error.problems : error.message.split("\n");
  return lines.map((what) => ({
    severity: "error",
    subject,
    what,
    exitStatus: error.exitStatus,
  }));
}

const ORDER: readonly Severity[] = ["error", "warning", "note", "fine"];

/** Sorts the worst to the top, and leaves the rest of the order as it is. */
export function sortFindings(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((one, other) =>
    ORDER.indexOf(one.severity) - ORDER.indexOf(other.severity)
  );
}

/**
 * The exit status: what a start would exit with if it would be refused, 1 if there are warnings, or
 * else 0.
 */
export function exitStatusOf(findings: readonly Finding[]): number {
  const refusal = findings.find(({ severity }) => severity === "error");
  if (refusal !== undefined) return refusal.exitStatus ?? EXIT_FAILURE;
  return findings.some(({ severity }) => severity === "warning") ? EXIT_FAILURE : EXIT_OK;
}

/** Writes the findings for people. */
export function formatFindings(findings: readonly Finding[], flags: readonly string[]): string {
  const lines = sortFindings(findings).flatMap(({ severity, subject, what, mend }) => [
    `${severity.padEnd(8)} ${subject}: ${what}`,
    ...mend === undefined ? [] : [`${" ".repeat(9)}mend: ${mend}`],
  ]);
  const counts = ORDER.slice(0, 3).map((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return `${count} ${severity}${count === 1 ? "" : "s"}`;
  });
  if (flags.length > 0) {
    lines.push("", "The tightest permissions for this configuration:", ...flags);
  }
  return [...lines, "", counts.join(", "), ""].join("\n");
}
