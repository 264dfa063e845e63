/** What Linux says a process has used, from /proc. Deno wants --allow-all to read there. */

/** Clock ticks a second of /proc/PID/stat: 100 on every architecture that Deno runs on. */
const TICKS_PER_SECOND = 100;

export interface ProcessUsage {
  /** User and system time, all threads. */
  cpuSeconds: number;
  residentBytes: number;
  residentPeakBytes: number;
}

/** Reads what a process has used since it began. */
export async function readProcessUsage(pid: number): Promise<ProcessUsage> {
  const [stat, status] = await Promise.all([
    Deno.readTextFile(`/proc/${pid}/stat`),
    Deno.readTextFile(`/proc/${pid}/status`),
  ]);
  // The name, in parentheses, may hold blanks: fields are counted from behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [userTicks, systemTicks] = [Number(fields[11]), Number(fields[12])];
  const kibibytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0);
  return {
    cpuSeconds: (userTicks + systemTicks) / TICKS_PER_SECOND,
    residentBytes: kibibytes("VmRSS") * 1024,
    residentPeakBytes: kibibytes("VmHWM") * 1024,
  };
}
