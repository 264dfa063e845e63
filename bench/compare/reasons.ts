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
  "connection-each riptide http, native":
    "two thirds are the system calls that opentracker makes as well; the rest is the core, the " +
    "promises of a connection and its giving back",
  "tls riptide ws, native":
    "OpenSSL takes more than Deno's TLS for many short records (slower than the sandboxed " +
    "driver in every series); not profiled",
  "tls riptide ws, sandboxed": "within the spread of both: nothing is decided",
};
