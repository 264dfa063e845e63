/** Bounded waiting: every wait in the tests ends, with a reason. */

/** Waits for `promise`, at most `deadlineMs`; then throws an error that says what was awaited. */
export async function within<T>(
  promise: Promise<T>,
  options: { deadlineMs: number; what: string | (() => string) },
): Promise<T> {
  const { deadlineMs, what } = options;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const text = typeof what === "string" ? what : what();
      reject(new Error(`Not within ${deadlineMs} ms: ${text}`));
    }, deadlineMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets time pass, for tests whose subject is time; never to wait for something to be ready. */
export function elapse(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
