/**
 * Why rows are lost, by server, or by scenario and server where a row has a reason of its own:
 * written by whoever has examined them, printed beside each lost row of the report.
 */

import type { Reasons } from "./report.ts";

export const REASONS: Reasons = {
  "riptide udp, sandboxed":
    "two of Deno's operations for each datagram; a bare loop of them is itself below the best " +
    "rival",
  "connection-each riptide http, sandboxed":
    "Deno's own work for each connection (accept, two addresses, close); a bare loop of its " +
    "sockets is itself below opentracker, which is C on epoll",
};
