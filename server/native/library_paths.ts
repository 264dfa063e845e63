/**
 * Where Linux distributions keep the libraries that the native drivers call. Deno grants and opens
 * them by their exact paths.
 */
export type LibraryPaths = Readonly<Record<"x86_64" | "aarch64", readonly string[]>>;

export const LIBC_PATHS: LibraryPaths = {
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

/** OpenSSL 3's, for TLS. */
export const LIBSSL_PATHS: LibraryPaths = {
  x86_64: ["/lib/x86_64-linux-gnu/libssl.so.3", "/lib64/libssl.so.3", "/usr/lib/libssl.so.3"],
  aarch64: ["/lib/aarch64-linux-gnu/libssl.so.3", "/lib64/libssl.so.3", "/usr/lib/libssl.so.3"],
};
