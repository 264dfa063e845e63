/** The status page: one document that holds all it needs, and may load nothing. */
import markup from "./page.html" with { type: "text" };
import script from "./page.js" with { type: "text" };
import style from "./page.css" with { type: "text" };
import words from "./words.js" with { type: "text" };

/** Both files as one script that imports nothing. */
const SCRIPT = words.replaceAll(/^export /gm, "") +
  script.replace(/^import \{[^}]*\} from "\.\/words\.js";$/m, "");

export interface Page {
  html: string;
  /** Its content security policy: this style, this script, and the tracker's own events. */
  policy: string;
}

export async function buildPage(): Promise<Page> {
  const html = markup
    .replace("<style></style>", () => `<style>${style}</style>`)
    .replace("<script></script>", () => `<script>${SCRIPT}</script>`);
  const policy = [
    "default-src 'none'",
    `style-src ${await hash(style)}`,
    `script-src ${await hash(SCRIPT)}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  return { html, policy: policy.join("; ") };
}

async function hash(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `'sha256-${btoa(String.fromCharCode(...new Uint8Array(bytes)))}'`;
}
