/**
 * Certificates and keys in the forms that operators have them, judged before a socket opens.
 *
 * PEM or DER is told by the content. What comes out is PEM as Deno wants it: the chain, and the key
 * as PKCS#8.
 */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { joinErrors, StartError, whyUnreadable } from "./errors.ts";
import { EXIT_CONFIG } from "./exit_status.ts";

/** Certificate chain and private key, PEM. */
export interface TlsKeyPair {
  cert: string;
  key: string;
  /** When the certificate expires, in seconds since 1970. */
  expiresAt: number;
}

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const PEM_KEY = /-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----/;
const FILE_BYTE_LENGTH_MAX = 1024 * 1024;

/**
 * Reads a certificate and its key.
 * @throws StartError for a file that cannot be read or is none, a key of another certificate, a
 * certificate that is not valid now.
 */
export async function loadKeyPair(certificatePath: string, keyPath: string): Promise<TlsKeyPair> {
  const { chain, key } = await readBoth(certificatePath, keyPath);
  const [leaf] = chain as [X509Certificate, ...X509Certificate[]];
  if (!isKeyOf(key, leaf)) {
    throw new StartError(
      `Cannot use "network.tls_private_key_path" = ${JSON.stringify(keyPath)}: it is the key of ` +
        `another certificate than ${JSON.stringify(certificatePath)}`,
      EXIT_CONFIG,
    );
  }
  checkValidity(leaf, certificatePath);
  return {
    cert: chain.map(toPem).join(""),
    key: key.export({ type: "pkcs8", format: "pem" }) as string,
    expiresAt: new Date(leaf.validTo).getTime() / 1000,
  };
}

/** Reads both, and tells of both what is wrong. */
async function readBoth(certificatePath: string, keyPath: string) {
  const [chain, key] = await Promise.allSettled([
    read(certificatePath, "certificate").then((bytes) => parseChain(bytes, certificatePath)),
    read(keyPath, "private key").then((bytes) => parseKey(bytes, keyPath)),
  ]);
  if (chain.status === "fulfilled" && key.status === "fulfilled") {
    return { chain: chain.value, key: key.value };
  }
  throw joinErrors(
    [chain, key].flatMap((it) => it.status === "rejected" ? [it.reason] : []),
  );
}

async function read(path: string, what: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile) throw new Error("it is not a file");
    if (size > FILE_BYTE_LENGTH_MAX) throw new Error("it is larger than 1 MiB");
    return await Deno.readFile(path);
  } catch (error) {
    const reason = whyUnreadable(error);
    throw new StartError(`Cannot read the ${what} "${path}": ${reason}`, EXIT_CONFIG);
  }
}

function parseChain(bytes: Uint8Array<ArrayBuffer>, path: string): X509Certificate[] {
  const text = new TextDecoder("latin1").decode(bytes);
  const blocks = text.match(PEM_CERTIFICATE);
  try {
    if (blocks !== null) return blocks.map((block) => new X509Certificate(block));
    if (text.includes("-----BEGIN ")) throw new SyntaxError("no certificate is in it");
    return [new X509Certificate(bytes)];
  } catch (error) {
    const reason = error instanceof SyntaxError
      ? error.message
      : "expected a certificate in PEM or DER";
    throw new StartError(`Cannot read the certificate "${path}": ${reason}`, EXIT_CONFIG);
  }
}

function parseKey(bytes: Uint8Array<ArrayBuffer>, path: string): KeyObject {
  const text = new TextDecoder("latin1").decode(bytes);
  const pem = PEM_KEY.exec(text);
  const encrypted = pem?.[1]?.includes("ENCRYPTED") || /^Proc-Type: 4,ENCRYPTED/m.test(text);
  const attempts: (() => KeyObject)[] = pem !== null
    ? [() => createPrivateKey(text.slice(pem.index))]
    : [
      // DER does not say which of the three it is.
      ...(["pkcs8", "pkcs1", "sec1"] as const).map((type) => () =>
        createPrivateKey({ key: bytes as never, format: "der", type })
      ),
    ];
  if (!encrypted) {
    for (const attempt of attempts) {
      try {
        return attempt();
      } catch { // it is of another type, or none
      }
    }
  }
  const reason = encrypted
    ? "it is encrypted; `openssl pkey` writes it without a password"
    : "expected a private key in PEM or DER (PKCS#8, PKCS#1, SEC1)";
  throw new StartError(`Cannot read the private key "${path}": ${reason}`, EXIT_CONFIG);
}

function isKeyOf(key: KeyObject, certificate: X509Certificate): boolean {
  const spki = { type: "spki", format: "der" } as const;
  const ofKey = createPublicKey(key as never).export(spki);
  return ofKey.equals(certificate.publicKey.export(spki));
}

function checkValidity(certificate: X509Certificate, path: string): void {
  const from = new Date(certificate.validFrom);
  const to = new Date(certificate.validTo);
  const now = new Date();
  const problem = now < from
    ? `it is not valid before ${from.toISOString()}`
    : now > to
    ? `it has expired at ${to.toISOString()}`
    : undefined;
  if (problem === undefined) return;
  throw new StartError(`Cannot use the certificate "${path}": ${problem}`, EXIT_CONFIG);
}

function toPem(certificate: X509Certificate): string {
  const base64 = certificate.raw.toString("base64").match(/.{1,64}/g)!.join("\n");
  return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
}
