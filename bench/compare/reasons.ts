/**
 * Why rows are lost, by protocol and scenario (or protocol alone): written by whoever has profiled
 * them, printed beside each lost row of the report.
 */

import type { Reasons } from "./report.ts";

export const REASONS: Reasons = {
  "udp":
    "the sandboxed driver: two of Deno's operations for each datagram; a bare loop of them is " +
    "itself below aquatic_udp",
};
