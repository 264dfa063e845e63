/** Judges a certificate beyond what a start refuses: how long it lasts, and who vouches for it. */
import { X509Certificate } from "node:crypto";
import type { Finding } from "./finding.ts";

const DAY_MS = 24 * 3_600_000;
/** Let's Encrypt renews 30 days before the end: with less, the renewal has failed. */
const SOON_DAYS = 21;

/**
 * Judges a chain.
 * @param pem The certificate and those of its issuers.
 * @param keyMode Permission bits of the key's file.
 */
export function* judgeCertificate(
  protocol: string,
  { pem, keyMode, now }: { pem: string; keyMode: number | null; now: number },
): Generator<Finding> {
  const chain = (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [])
    .map((block) => new X509Certificate(block));
  const [leaf] = chain;
  if (leaf === undefined) return;
  const subject = "certificate";
  const days = Math.floor((Date.parse(leaf.validTo) - now) / DAY_MS);
  if (days < SOON_DAYS) {
    yield {
      severity: "warning",
      subject,
      what: `${protocol}: it expires in ${days} days, ${new Date(leaf.validTo).toISOString()}`,
      mend: "renew it, then send SIGHUP: new connections get the new one",
    };
  } else yield { severity: "fine", subject, what: `${protocol}: valid for ${days} days` };
  yield* judgeChain(protocol, chain);
  if (leaf.subjectAltName === undefined) {
    yield {
      severity: "warning",
      subject,
      what: `${protocol}: it names no host (subjectAltName), and clients will refuse it`,
      mend: "have one issued for the tracker's host name",
    };
  }
  if (keyMode !== null && (keyMode & 0o007) !== 0) {
    yield {
      severity: "warning",
      subject: "private key",
      what: `${protocol}: every user of this machine may use its file (mode ` +
        `${(keyMode & 0o777).toString(8)})`,
      mend: "chmod 640, and a group that the tracker is in",
    };
  }
}

function* judgeChain(
  protocol: string,
  chain: readonly X509Certificate[],
): Generator<Finding> {
  const subject = "certificate chain";
  const [leaf] = chain as [X509Certificate];
  const broken = chain.findIndex((it, index) => {
    const issuer = chain[index + 1];
    return issuer !== undefined && !isIssuedBy(it, issuer);
  });
  if (broken >= 0) {
    yield {
      severity: "warning",
      subject,
      what: `${protocol}: certificate ${broken + 2} of the file did not issue the one before it`,
      mend: "the tracker's own first, then its issuer's, then that one's issuer's",
    };
  } else if (isIssuedBy(leaf, leaf)) {
    yield {
      severity: "warning",
      subject,
      what: `${protocol}: it is signed by itself, and clients will refuse it`,
      mend: "have one issued by an authority that clients know",
    };
  } else if (chain.length === 1) {
    yield {
      severity: "note",
      subject,
      what: `${protocol}: the file holds no issuer's certificate; clients that do not know ` +
        `"${leaf.issuer.split("\n").at(-1)}" will refuse it`,
      mend: 'use the file with the whole chain (certbot: "fullchain.pem")',
    };
  } else yield { severity: "fine", subject, what: `${protocol}: ${chain.length} certificates` };
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
