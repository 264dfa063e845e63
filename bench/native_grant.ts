/** What Deno has to grant for Riptide's native drivers, as the tasks `…:native` do. */
import { LIBC_PATHS, LIBSSL_PATHS } from "../server/native/library_paths.ts";

export const NATIVE_GRANT = "--allow-ffi=" +
  [LIBC_PATHS, LIBSSL_PATHS].flatMap((usual) => Object.values(usual).flat()).join(",");
