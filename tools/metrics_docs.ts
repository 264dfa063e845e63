/**
 * Writes docs/METRICS.md from the table of the metrics.
 *
 *     deno run --allow-write=docs tools/metrics_docs.ts
 */
import { COUNTERS, SHARED_COUNTERS } from "../server/metrics/families.ts";
import {
  DURATION_FAMILY,
  GAUGES,
  HEARTBEAT_FAMILY,
  STALLED_FAMILY,
} from "../server/metrics/gauges.ts";

/** One metric, as the page shows it. */
interface Entry {
  name: string;
  type: string;
  labels: string;
  help: string;
}

const HEAD = `# Metrics

\`[metrics] address = "127.0.0.1:9100"\` serves on that address, from a thread that may do nothing
else and reads counters from shared memory:

| path       | what                                                                        |
| ---------- | --------------------------------------------------------------------------- |
| \`/metrics\` | the metrics below, in Prometheus' text format                               |
| \`/\`        | a page that shows the tracker at work                                       |
| \`/events\`  | what the page reads: a stream of events, at most 32 readers                 |
| \`/health\`  | 200 while the process is alive, 503 otherwise                               |
| \`/ready\`   | 200 while every address is served, 503 otherwise                            |

The address should be the loopback's. With \`[metrics] token\`, all but the last two want it: as a
bearer token (\`authorization: { credentials_file: … }\` in Prometheus), or as the password of any
user, for which browsers ask. Nothing here is an info hash or an address of a client.

\`main.ts healthcheck -c FILE\` asks \`/health\` and exits with 0 or 1.
[deploy/prometheus/](../deploy/prometheus/) has a scrape configuration and alert rules,
[deploy/grafana/riptide.json](../deploy/grafana/riptide.json) a dashboard.
\`tests/e2e/metrics_test.ts\` has a Prometheus scrape a tracker, evaluates the rules, and
runs every query of the dashboard; the dashboard itself was not opened in a Grafana, which was
not to be had where this was written.

![The page, light](status-light.png)

[Dark](status-dark.png) · [on a phone](status-phone.png)

## Logs

The log goes to standard error. \`log_format\` is \`"text"\` on a terminal and \`"json"\`, an
object a line, otherwise; \`"journald"\` is text with the priorities that systemd reads
(\`journalctl -p\`). Kept in a file (\`2>>riptide.log\`), it can be rotated with logrotate's
\`copytruncate\`. Nothing that clients do writes a line each: a full memory is told once a minute
at most.

## Every metric

Generated from the program's own table by \`tools/metrics_docs.ts\`.
`;

/** All metrics there can be, in the order in which they are written. */
export function listMetrics(): Entry[] {
  return [
    ...COUNTERS.map(({ name, help, cells }) => {
      const types = [...new Set(cells.map(({ labels }) => labels.type).filter(Boolean))];
      const families = cells.some(({ labels }) => labels.family !== undefined);
      const labels = [
        "protocol",
        ...(types.length === 0 ? [] : [`type (${types.join(", ")})`]),
        ...(families ? ["family"] : []),
      ];
      return { name, type: "counter", labels: labels.join("; "), help };
    }),
    ...[...SHARED_COUNTERS, ...GAUGES].map(({ name, type, help }) => ({
      name,
      type,
      labels: "",
      help,
    })),
    { ...HEARTBEAT_FAMILY, labels: "protocol; worker" },
    { ...STALLED_FAMILY, labels: "protocol; worker" },
    { ...DURATION_FAMILY, labels: "protocol; type; le" },
  ];
}

/** The whole page. */
export function writeMetricsPage(): string {
  const entries = listMetrics().map(({ name, type, labels, help }) =>
    `\n### ${name}\n\n${[`A ${type}`, ...(labels === "" ? [] : [`by ${labels}`])].join(", ")}.\n` +
    `${help}\n`
  );
  return HEAD + entries.join("");
}

if (import.meta.main) {
  await Deno.writeTextFile(new URL("../docs/METRICS.md", import.meta.url), writeMetricsPage());
}
