/** The C library's places, for whoever opens it and for whoever asks for the permission to. */

/** Where Linux distributions keep the C library. Deno grants and opens it by its exact path. */
export const LIBC_PATHS: Readonly<Record<"x86_64" | "aarch64", readonly string[]>> = {
  x86_64: [
    "/lib/x86_64-linux-gnu/libc.so.6", // Debian, Ubuntu
    "/lib64/libc.so.6", // Fedora, RHEL, openSUSE, Arch
    "/usr/lib/libc.so.6", // Arch
  ],
  aarch64: [
    "/lib/aarch64-linux-gnu/libc.so.6",
    "/lib64/libc.so.6",
    "/usr/lib/libc.so.6",
  ],
};
