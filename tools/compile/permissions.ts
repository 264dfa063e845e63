/** What each command of main.ts is granted, read from the tasks of deno.json that run it. */

type Tasks = Record<string, string | { command: string }>;

/**
 * Lists the permission flags by command. Where several tasks run one command, such as `udp` with
 * its two drivers, it gets what any of them has: main.ts grants each worker its own part.
 */
export function readPermissions(tasks: Tasks): Record<string, string[]> {
  const permissions: Record<string, string[]> = {};
  for (const task of Object.values(tasks)) {
    const line = typeof task === "string" ? task : task.command;
    const [, flags, command] = /^deno run (.*?) ?main\.ts ([a-z-]+)/.exec(line) ?? [];
    if (command === undefined) continue;
    const wanted = flags!.split(" ").filter((word) => /^(--allow|--deny|-A$)/.test(word));
    const all = new Set([...permissions[command] ?? [], ...wanted]);
    permissions[command] = all.has("--allow-all") ? ["--allow-all"] : [...all];
  }
  return permissions;
}
