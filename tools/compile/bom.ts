/** The bill of materials, as CycloneDX 1.6 in JSON: Deno and the packages that are shipped. */
import type { Package } from "./stage.ts";

interface Manifest {
  name: string;
  version: string;
  license: string;
}

interface Lock {
  npm: Record<string, { integrity: string }>;
}

/**
 * Writes the bill; the hashes of packages are those of deno.lock, that is of what the registry
 * served. The same contents give the same text: it has no time, and its serial number is a digest.
 */
export async function makeBom(
  { name, version, license }: Manifest,
  packages: readonly Package[],
  denoSha256: string,
): Promise<string> {
  const lock: Lock = JSON.parse(await Deno.readTextFile("deno.lock"));
  const root = purl(name, version);
  const deno = purl("deno", Deno.version.deno);
  const body = {
    version: 1,
    metadata: {
      component: {
        type: "application",
        "bom-ref": root,
        name,
        version,
        purl: root,
        licenses: [{ license: { id: license } }],
      },
    },
    components: [
      {
        type: "application",
        "bom-ref": deno,
        name: "deno",
        version: Deno.version.deno,
        purl: deno,
        licenses: [{ license: { id: "MIT" } }],
        hashes: [{ alg: "SHA-256", content: denoSha256 }],
      },
      ...await Promise.all(packages.map((it) => toComponent(it, lock))),
    ],
    dependencies: [
      { ref: root, dependsOn: [deno, ...packages.map((it) => purl(it.name, it.version))] },
      ...packages.map((it) => ({
        ref: purl(it.name, it.version),
        dependsOn: it.dependencies.map((id) => {
          const at = id.lastIndexOf("@");
          return purl(id.slice(0, at), id.slice(at + 1));
        }),
      })),
    ],
  };
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(JSON.stringify(body)),
  );
  const head = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${toUuid(new Uint8Array(digest))}`,
  };
  return JSON.stringify({ ...head, ...body }, undefined, 2) + "\n";
}

async function toComponent(it: Package, { npm }: Lock): Promise<Record<string, unknown>> {
  const integrity = npm[`${it.name}@${it.version}`]?.integrity;
  if (integrity === undefined || !integrity.startsWith("sha512-")) {
    throw new Error(`Cannot find the hash of ${it.name} in deno.lock`);
  }
  const content = Uint8Array.fromBase64(integrity.slice("sha512-".length)).toHex();
  const { license } = JSON.parse(await Deno.readTextFile(`${it.localPath}/package.json`));
  return {
    type: "library",
    "bom-ref": purl(it.name, it.version),
    name: it.name,
    version: it.version,
    purl: purl(it.name, it.version),
    licenses: [{ license: { id: license } }],
    hashes: [{ alg: "SHA-512", content }],
  };
}

/** Package URL; the @ of a scope is written in its encoded form. */
function purl(name: string, version: string): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** The first 16 bytes as a UUID of version 8, whose contents are the maker's own. */
function toUuid(digest: Uint8Array): string {
  const bytes = digest.slice(0, 16);
  bytes[6] = bytes[6]! & 0x0f | 0x80;
  bytes[8] = bytes[8]! & 0x3f | 0x80;
  return bytes.toHex().replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}
