/** What the doctor says of certificates. */
import { strict as assert } from "node:assert";
import { X509Certificate } from "node:crypto";
import { judgeCertificate } from "../../../server/doctor/certificate.ts";
import { Authority, hasOpenssl } from "../../support/certificates.ts";

Deno.test({
  name: "doctor: certificates that expire, stand alone or name no host, and open keys",
  ignore: !await hasOpenssl(),
  async fn() {
    await using authority = await Authority.create();
    const { certificatePath } = await authority.issue({ days: 90 });
    const leaf = await Deno.readTextFile(certificatePath);
    const now = Date.now();
    const judge = (pem: string, options: { keyMode?: number; now?: number } = {}) =>
      [...judgeCertificate("http", { pem, keyMode: 0o600, now, ...options })]
        .map(({ severity, subject, what }) => `${severity} ${subject}: ${what}`);
    const chain = leaf + authority.certificate;
    const whole = judge(chain);
    assert.match(whole.join("\n"), /^fine certificate: .*valid for (89|90) days\nfine .*: 2 cert/);
    assert.match(judge(leaf)[1]!, /^note certificate chain: .*no issuer's certificate/);
    assert.match(judge(authority.certificate + leaf)[1]!, /^warning .*certificate 2 of the file/);
    const alone = judge(authority.certificate).join("\n");
    assert.match(alone, /^warning certificate: .*expires in [01] days/);
    assert.match(alone, /warning certificate chain: .*signed by itself/);
    assert.match(alone, /warning certificate: .*names no host/);
    assert.match(judge(chain, { keyMode: 0o644 }).at(-1)!, /^warning private key: .*mode 644/);
    const late = Date.parse(new X509Certificate(leaf).validTo) - 20 * 86_400_000;
    assert.match(judge(chain, { now: late })[0]!, /^warning certificate: .*expires in 20 days/);
  },
});
