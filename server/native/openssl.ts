/**
 * The few functions of OpenSSL 3 that the native driver calls. Names of the form SSL_CTX_set_… that
 * are macros in its headers are calls of SSL_CTX_ctrl here.
 *
 * Every failure leaves entries in a queue of the thread, which would explain the next one wrongly:
 * whoever reports by `SSL_get_error` clears the queue before the call.
 *
 * Deno 2.9.6 allows callbacks to those only who may call every library, so the client is not told
 * which of its protocols the server speaks (ALPN): there is one.
 */
import { findLibrary } from "./library.ts";
import { LIBSSL_PATHS } from "./library_paths.ts";

const SYMBOLS = {
  SSL_CTX_new: { parameters: ["usize"], result: "usize" },
  SSL_CTX_free: { parameters: ["usize"], result: "void" },
  SSL_CTX_ctrl: { parameters: ["usize", "i32", "isize", "usize"], result: "isize" },
  SSL_CTX_set_options: { parameters: ["usize", "u64"], result: "u64" },
  SSL_CTX_set_num_tickets: { parameters: ["usize", "usize"], result: "i32" },
  SSL_CTX_use_certificate: { parameters: ["usize", "usize"], result: "i32" },
  SSL_CTX_use_PrivateKey: { parameters: ["usize", "usize"], result: "i32" },
  TLS_server_method: { parameters: [], result: "usize" },
  BIO_s_mem: { parameters: [], result: "usize" },
  BIO_new: { parameters: ["usize"], result: "usize" },
  BIO_new_socket: { parameters: ["i32", "i32"], result: "usize" },
  BIO_ctrl_pending: { parameters: ["usize"], result: "usize" },
  BIO_write: { parameters: ["usize", "buffer", "i32"], result: "i32" },
  BIO_free: { parameters: ["usize"], result: "i32" },
  PEM_read_bio_X509: { parameters: ["usize", "usize", "usize", "usize"], result: "usize" },
  PEM_read_bio_PrivateKey: { parameters: ["usize", "usize", "usize", "usize"], result: "usize" },
  X509_free: { parameters: ["usize"], result: "void" },
  EVP_PKEY_free: { parameters: ["usize"], result: "void" },
  ERR_clear_error: { parameters: [], result: "void" },
  SSL_new: { parameters: ["usize"], result: "usize" },
  SSL_set_bio: { parameters: ["usize", "usize", "usize"], result: "void" },
  SSL_accept: { parameters: ["usize"], result: "i32" },
  SSL_read: { parameters: ["usize", "buffer", "i32"], result: "i32" },
  SSL_write: { parameters: ["usize", "buffer", "i32"], result: "i32" },
  SSL_pending: { parameters: ["usize"], result: "i32" },
  SSL_get_error: { parameters: ["usize", "i32"], result: "i32" },
  SSL_shutdown: { parameters: ["usize"], result: "i32" },
  SSL_free: { parameters: ["usize"], result: "void" },
} as const;

/** The functions, as `Deno.dlopen` types them. */
export type OpensslSymbols = Deno.StaticForeignLibraryInterface<typeof SYMBOLS>;

// What SSL_get_error() says.
export const SSL_ERROR_WANT_READ = 2;
export const SSL_ERROR_WANT_WRITE = 3;
export const SSL_ERROR_ZERO_RETURN = 6;

const SSL_CTRL_EXTRA_CHAIN_CERT = 14;
const SSL_CTRL_MODE = 33;
const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
const SSL_SESS_CACHE_OFF = 0n;
const TLS1_2_VERSION = 0x0303n;
/** One record at a time may go out, from bytes that may have moved; idle ones keep no buffers. */
const SSL_MODES = 0x1n | 0x2n | 0x10n;
/** Many clients end without a close_notify, and renegotiation has no use. */
const SSL_OP_IGNORE_UNEXPECTED_EOF = 1n << 7n;
const SSL_OP_NO_RENEGOTIATION = 1n << 30n;

let opened: OpensslSymbols | undefined;

/**
 * Opens the library, once per thread.
 * @throws {Deno.errors.NotCapable} It may be there, but Deno does not grant it.
 * @throws {Deno.errors.NotFound} Deno grants it, but it is in none of the usual places.
 */
export function openOpenssl(): OpensslSymbols {
  opened ??= Deno.dlopen(findLibrary("OpenSSL 3", LIBSSL_PATHS), SYMBOLS).symbols;
  return opened;
}

/**
 * A certificate with its key and the settings of its connections; those hold on to it, so it may be
 * freed while they go on.
 * @param pair PEM: the chain, the server's own certificate first, and the key.
 * @throws Error OpenSSL does not take them.
 */
export function newContext(ssl: OpensslSymbols, pair: { cert: string; key: string }): bigint {
  const context = ssl.SSL_CTX_new(ssl.TLS_server_method());
  const control = (command: number, value: bigint, pointer = 0n) =>
    ssl.SSL_CTX_ctrl(context, command, value, pointer);
  control(SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION);
  control(SSL_CTRL_MODE, SSL_MODES);
  // Sessions are resumed by tickets, which clients keep.
  control(SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF);
  ssl.SSL_CTX_set_num_tickets(context, 1n);
  ssl.SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
  try {
    useChain(ssl, context, pair.cert, control);
    useKey(ssl, context, pair.key);
  } catch (error) {
    ssl.SSL_CTX_free(context);
    throw error;
  }
  return context;
}

function useChain(
  ssl: OpensslSymbols,
  context: bigint,
  pem: string,
  control: (command: number, value: bigint, pointer: bigint) => bigint,
): void {
  withText(ssl, pem, (text) => {
    const read = () => ssl.PEM_read_bio_X509(text, 0n, 0n, 0n);
    const own = read();
    const isTaken = own !== 0n && ssl.SSL_CTX_use_certificate(context, own) === 1;
    if (own !== 0n) ssl.X509_free(own);
    if (!isTaken) throw new Error("OpenSSL does not take the certificate");
    // Of the others the context becomes the owner. After the last, there is nothing to read.
    for (let issuer = read(); issuer !== 0n; issuer = read()) {
      if (control(SSL_CTRL_EXTRA_CHAIN_CERT, 0n, issuer) !== 1n) {
        ssl.X509_free(issuer);
        throw new Error("OpenSSL does not take a certificate of the issuers");
      }
    }
    ssl.ERR_clear_error();
  });
}

function useKey(ssl: OpensslSymbols, context: bigint, pem: string): void {
  withText(ssl, pem, (text) => {
    const key = ssl.PEM_read_bio_PrivateKey(text, 0n, 0n, 0n);
    const isTaken = key !== 0n && ssl.SSL_CTX_use_PrivateKey(context, key) === 1;
    if (key !== 0n) ssl.EVP_PKEY_free(key);
    if (!isTaken) throw new Error("OpenSSL does not take the private key");
  });
}

/** Has the library read a text. */
function withText(ssl: OpensslSymbols, text: string, read: (bio: bigint) => void): void {
  const bytes = new TextEncoder().encode(text);
  const bio = ssl.BIO_new(ssl.BIO_s_mem());
  try {
    ssl.BIO_write(bio, bytes, bytes.length);
    read(bio);
  } finally {
    ssl.BIO_free(bio);
  }
}
