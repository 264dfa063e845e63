/**
 * Who may look at the metrics: whoever shows the token, as a bearer's (Prometheus, curl) or as the
 * password of any user (browsers, which ask for it).
 */

/** Judges the header `Authorization`; the time it takes tells nothing about the token. */
export async function mayLook(authorization: string | null, token: string): Promise<boolean> {
  if (token === "") return true;
  const shown = readToken(authorization ?? "");
  const [one, other] = await Promise.all([digest(shown), digest(token)]);
  let difference = 0;
  one.forEach((byte, index) => difference |= byte ^ other[index]!);
  return difference === 0;
}

function readToken(authorization: string): string {
  const [, scheme = "", credentials = ""] = /^(\S+) +(\S+) *$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() === "bearer") return credentials;
  if (scheme.toLowerCase() !== "basic") return "";
  try {
    const bytes = Uint8Array.from(atob(credentials), (character) => character.charCodeAt(0));
    const pair = new TextDecoder().decode(bytes);
    return pair.slice(pair.indexOf(":") + 1);
  } catch { // it is not Base64
    return "";
  }
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
