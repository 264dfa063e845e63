/** The exit statuses of every Riptide command (numbers above 63 as in sysexits.h). */

/** Stopped as asked. */
export const EXIT_OK = 0;
/** Something failed while running. */
export const EXIT_FAILURE = 1;
/** The command line cannot be understood. */
export const EXIT_USAGE = 64;
/** An address cannot be bound. */
export const EXIT_UNAVAILABLE = 69;
/** Deno, or the operating system, does not permit what was asked for. */
export const EXIT_NO_PERMISSION = 77;
/** The configuration is wrong. */
export const EXIT_CONFIG = 78;
