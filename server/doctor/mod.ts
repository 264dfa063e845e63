/**
 * The doctor: looks at everything that a start would refuse, and at what would go wrong later.
 *
 * It needs all permissions: /proc and /sys take them. It changes nothing, and what it starts for a
 * trial serves nobody.
 */
import { loadConfig, type Loaded, sharesAddress, type TrackerConfig } from "../config/mod.ts";
import { PROTOCOLS } from "../config/tracker.ts";
import { loadKeyPair } from "../certificate.ts";
import type { Served } from "../commands/serve.ts";
import { EXIT_NO_PERMISSION } from "../exit_status.ts";
import { isGranted } from "../permissions.ts";
import { judgeCertificate } from "./certificate.ts";
import { type Demand, type Listener, toListener } from "./demand.ts";
import { type Facts, readFacts } from "./facts.ts";
import { type Finding, toFindings } from "./finding.ts";
import { tightestCommand } from "./flags.ts";
import { judgeMachine } from "./machine.ts";
import { judgePorts, tryPorts } from "./ports.ts";
import { tryStart } from "./trial.ts";

/** What an examination came to. */
export interface Examination {
  findings: Finding[];
  /** The tightest command line; nothing where the configuration is wrong. */
  command?: string;
}

/** How to examine. */
export interface ExamineOptions {
  configPath: string;
  /** Whether another process may have the addresses. */
  takeOver: boolean;
  /** Stands for the machine's, in tests. */
  facts?: Facts;
}

type Table = Record<string, unknown>;
type ListenerConfig = Parameters<typeof toListener>[1];

/** Examines a configuration of a kind. */
export async function examine(
  // deno-lint-ignore no-explicit-any -- only the kind itself looks into its configuration
  served: Served<any>,
  options: ExamineOptions,
): Promise<Examination> {
  const { configPath, takeOver } = options;
  let loaded: Loaded<Table>;
  try {
    loaded = await loadConfig(served.kind, configPath);
  } catch (error) {
    return { findings: toFindings("configuration", error) };
  }
  const { config, warnings } = loaded;
  const demand = toDemand(served, config, configPath);
  const facts = options.facts ?? await readFacts([configPath, import.meta.filename ?? configPath]);
  const ports = await tryPorts(demand.listeners);
  const findings: Finding[] = [
    ...warnings.map((what): Finding => ({ severity: "warning", subject: "configuration", what })),
    ...warnings.length === 0
      ? [{ severity: "fine", subject: "configuration", what: configPath } as const]
      : [],
    ...judgePermissions(demand),
    ...judgePorts(ports, {
      takeOver,
      firstFreePort: facts.sysctl["net.ipv4.ip_unprivileged_port_start"] ?? 1024,
    }),
    ...judgeMachine(demand, facts),
    ...await judgeCertificates(demand, facts),
  ];
  findings.push(...await tryStart(served, loaded.config, ports));
  return { findings: withoutRepetition(findings), command: tightestCommand(demand, isThere) };
}

function toDemand(served: Served<unknown>, config: Table, configPath: string): Demand {
  const { command } = served.kind;
  const isOne = PROTOCOLS.some((protocol) => protocol === command);
  const tables = isOne
    ? [[command, config] as const]
    : PROTOCOLS.flatMap((name) =>
      config[name] === undefined ? [] : [[name, config[name]] as const]
    );
  const isShared = !isOne && sharesAddress(config as TrackerConfig);
  return {
    command,
    configPath,
    limitMib: (config.memory as { limit_mib: number }).limit_mib,
    listeners: [
      ...tables.map(([name, table]) =>
        toListener(name, table as ListenerConfig, {
          isServedElsewhere: isShared && name === "http",
        })
      ),
      ...toMetricsListener(config.metrics as { address: string }),
    ],
    permissions: served.permissions(config),
  };
}

/** The listener of metrics, where there is one; it is no protocol's, but its port must be free. */
function toMetricsListener({ address }: { address: string }): Listener[] {
  if (address === "") return [];
  return [toListener("metrics", { socket_workers: 1, network: { address: [address] } })];
}

/** What two protocols have in common, or the trial start finds again, is told once. */
function withoutRepetition(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ severity, what }, index) =>
    severity !== "error" || findings.findIndex((other) => other.what === what) === index
  );
}

function* judgePermissions({ permissions }: Demand): Generator<Finding> {
  const missing = permissions.filter(({ anyOf }) => !anyOf.some((set) => set.every(isGranted)));
  for (const { purpose, flag } of missing) {
    yield {
      severity: "error",
      subject: "permissions",
      what: `Deno does not permit to ${purpose}`,
      mend: `start Deno with ${flag}`,
      exitStatus: EXIT_NO_PERMISSION,
    };
  }
  if (missing.length === 0) {
    yield { severity: "fine", subject: "permissions", what: `${permissions.length} are granted` };
  }
}

async function judgeCertificates({ listeners }: Demand, { now }: Facts): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { protocol, certificatePath, keyPath } of listeners) {
    if (certificatePath === undefined || keyPath === undefined) continue;
    try {
      const { cert } = await loadKeyPair(certificatePath, keyPath);
      const { mode } = await Deno.stat(keyPath);
      findings.push(...judgeCertificate(protocol, { pem: cert, keyMode: mode, now }));
    } catch (error) {
      findings.push(...toFindings("certificate", error));
    }
  }
  return findings;
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
