/** Certificates by openssl: an authority of a test's own, and what it issues. */
import { strict as assert } from "node:assert";

/** Names and addresses that a tracker of the tests is asked by. */
const NAMES = ["DNS:localhost", "DNS:tracker.test", "IP:127.0.0.1", "IP:::1"];

export type KeyKind = "ec" | "rsa";

/** Files of one certificate and its key, both PEM, the key in PKCS#8. */
export interface Certificate {
  certificatePath: string;
  keyPath: string;
}

export class Authority implements AsyncDisposable {
  /** Where it keeps its files; those of a test may be put there too. */
  readonly directory: string;
  /** Its own certificate (PEM). */
  readonly certificate: string;
  readonly certificatePath: string;
  #issuedCount = 0;

  private constructor(directory: string, certificate: string) {
    this.directory = directory;
    this.certificate = certificate;
    this.certificatePath = `${directory}/ca.pem`;
  }

  static async create(): Promise<Authority> {
    const directory = await Deno.makeTempDir({ prefix: "riptide-ca-" });
    const id = crypto.randomUUID().slice(0, 8);
    await openssl(directory, [
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(" "),
      ..."-keyout ca.key -out ca.pem -subj".split(" "),
      `/CN=Riptide test authority ${id}`,
      ..."-addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign".split(" "),
    ]);
    return new Authority(directory, await Deno.readTextFile(`${directory}/ca.pem`));
  }

  /** Makes an authority that this one vouches for. */
  async issueAuthority(): Promise<Authority> {
    const directory = await Deno.makeTempDir({ prefix: "riptide-ca-" });
    await openssl(directory, [
      ..."req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(" "),
      ..."-keyout ca.key -out ca.csr -subj".split(" "),
      "/CN=Riptide intermediate authority",
    ]);
    const extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n";
    await Deno.writeTextFile(`${directory}/ca.ext`, extensions);
    await this.openssl(
      `x509 -req -in ${directory}/ca.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 ` +
        `-extfile ${directory}/ca.ext -out ${directory}/ca.pem`,
    );
    return new Authority(directory, await Deno.readTextFile(`${directory}/ca.pem`));
  }

  /** Issues a certificate for the loopback addresses and `tracker.test`. */
  async issue(
    options: { key?: KeyKind; days?: number; names?: string[] } = {},
  ): Promise<Certificate> {
    const { key = "ec", days = 1, names = NAMES } = options;
    const stem = `leaf-${++this.#issuedCount}`;
    const kind = key === "ec" ? "ec -pkeyopt ec_paramgen_curve:prime256v1" : "rsa:2048";
    await openssl(this.directory, [
      ...`req -new -newkey ${kind} -nodes -keyout ${stem}.key -out ${stem}.csr`.split(" "),
      "-subj",
      "/CN=tracker.test",
    ]);
    const extensions = `subjectAltName=${names.join(",")}\nbasicConstraints=CA:FALSE\n`;
    await Deno.writeTextFile(`${this.directory}/${stem}.ext`, extensions);
    await openssl(this.directory, [
      ...`x509 -req -in ${stem}.csr -CA ca.pem -CAkey ca.key -CAcreateserial`.split(" "),
      ...`-days ${days} -extfile ${stem}.ext -out ${stem}.pem`.split(" "),
    ]);
    const path = `${this.directory}/${stem}`;
    return { certificatePath: `${path}.pem`, keyPath: `${path}.key` };
  }

  /** Runs openssl in its directory, for conversions. */
  async openssl(command: string): Promise<void> {
    await openssl(this.directory, command.split(" "));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.directory, { recursive: true });
  }
}

/** Tells whether this machine has openssl. */
export async function hasOpenssl(): Promise<boolean> {
  try {
    return (await new Deno.Command("openssl", { args: ["version"] }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function openssl(directory: string, args: string[]): Promise<void> {
  const command = new Deno.Command("openssl", { args, cwd: directory, stdin: "null" });
  const { success, stderr } = await command.output();
  assert.ok(success, `openssl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
