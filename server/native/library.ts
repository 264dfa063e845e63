/** Finds a library of the system, in the usual places. */
import type { LibraryPaths } from "./library_paths.ts";

/**
 * Finds the first place that Deno grants and that holds the library.
 * @param name In messages, such as "the C library".
 * @throws {Deno.errors.NotSupported} The system or architecture is not supported.
 * @throws {Deno.errors.NotCapable} It may be there, but Deno does not grant it.
 * @throws {Deno.errors.NotFound} Deno grants it, but it is in none of the usual places.
 */
export function findLibrary(name: string, usual: LibraryPaths): string {
  if (Deno.build.os !== "linux") {
    throw new Deno.errors.NotSupported(`Cannot use ${name} of ${Deno.build.os}, only Linux's`);
  }
  const paths = usual[Deno.build.arch as keyof LibraryPaths];
  if (paths === undefined) {
    throw new Deno.errors.NotSupported(`Cannot use ${name} on ${Deno.build.arch}`);
  }
  const granted = paths.filter((path) =>
    Deno.permissions.querySync({ name: "ffi", path }).state === "granted"
  );
  if (granted.length === 0) {
    throw new Deno.errors.NotCapable(
      `Requires ffi access to ${name}, run again with --allow-ffi=${paths.join(",")}`,
    );
  }
  const path = granted.find(canOpen);
  if (path === undefined) {
    throw new Deno.errors.NotFound(`Cannot find ${name} at ${granted.join(", ")}`);
  }
  return path;
}

/** Opening is the only way to look that needs no permission to read. */
function canOpen(path: string): boolean {
  try {
    Deno.dlopen(path, {}).close();
    return true;
  } catch {
    return false;
  }
}
