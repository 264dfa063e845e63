/** The memory limit leaves no room for something that must be there. */
export class OutOfMemoryError extends Error {
  override readonly name = "OutOfMemoryError";
}
