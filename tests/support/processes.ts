/** What the Linux kernel says about a process. */

/** Tells whether the process listens on this TCP port, on any address. */
export async function listensOnTcp(processId: number, port: number): Promise<boolean> {
  const inodes = new Set<string>();
  for (const table of ["tcp", "tcp6"]) {
    const text = await Deno.readTextFile(`/proc/${processId}/net/${table}`);
    for (const line of text.trim().split("\n").slice(1)) {
      const columns = line.trim().split(/\s+/);
      const isListening = columns[3] === "0A";
      const localPort = parseInt(columns[1].split(":")[1], 16);
      if (isListening && localPort === port) inodes.add(`socket:[${columns[9]}]`);
    }
  }
  for await (const { name } of Deno.readDir(`/proc/${processId}/fd`)) {
    const target = await Deno.readLink(`/proc/${processId}/fd/${name}`).catch(() => "");
    if (inodes.has(target)) return true;
  }
  return false;
}

/** Returns the state letter of the process: `S` sleeping, `R` running, `T` stopped, … */
export async function processState(processId: number): Promise<string> {
  const text = await Deno.readTextFile(`/proc/${processId}/stat`);
  return text.slice(text.lastIndexOf(")") + 2)[0];
}

/** Returns how many bytes of the process are in memory. */
export async function residentByteLength(processId: number): Promise<number> {
  const text = await Deno.readTextFile(`/proc/${processId}/status`);
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(text)![1]) * 1024;
}

/**
 * Ends a child process at once, if it has not ended by itself a moment ago, and waits for its end.
 */
export async function endProcess(process: Deno.ChildProcess): Promise<void> {
  try {
    process.kill("SIGKILL");
  } catch (error) {
    // Deno's word for a process that is gone.
    if (!(error instanceof TypeError)) throw error;
  }
  await process.status;
}
