/**
 * A WebTorrent client as the reliability runs have it: it announces with an offer, answers the
 * offers of others, and now and then leaves with all its torrents by closing its connection.
 */
import { type Endpoint, WsClient } from "../../protocols/ws/client.ts";
import type { TrackerMessage } from "../../protocols/ws/messages.ts";

const ANNOUNCES_PER_CONNECTION = 200;
const SDP = "v=0\r\n".padEnd(400, "a=candidate ");

type Announced = TrackerMessage & { kind: "announce" };

export class WsAsker {
  readonly #endpoint: Endpoint;
  readonly #timeoutMilliseconds: number;
  readonly #peerId = crypto.getRandomValues(new Uint8Array(20));
  #client: WsClient | undefined;
  #announces = 0;
  #waiting: PromiseWithResolvers<Announced> | undefined;

  constructor(tracker: string, options: { timeoutMilliseconds: number; caCerts?: string[] }) {
    const { hostname, port } = new URL(`http://${tracker}`);
    this.#endpoint = { hostname, port: Number(port), caCerts: options.caCerts };
    this.#timeoutMilliseconds = options.timeoutMilliseconds;
  }

  /** Announces; the port is of no meaning here. */
  async announce(infoHash: Uint8Array, _port: number, isStopped: boolean): Promise<void> {
    if (++this.#announces % ANNOUNCES_PER_CONNECTION === 0) this.close();
    const waiting = this.#waiting = Promise.withResolvers<Announced>();
    const timer = setTimeout(
      () => waiting.reject(new Error("No answer")),
      this.#timeoutMilliseconds,
    );
    try {
      // A connection that cannot be had in time is nobody's loss but this announce's.
      const asked = this.#ask(infoHash, isStopped);
      asked.catch(waiting.reject);
      const answer = await waiting.promise;
      if (answer.infoHash.toHex() !== infoHash.toHex()) throw new Error("Another's answer");
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #ask(infoHash: Uint8Array, isStopped: boolean): Promise<void> {
    if (this.#client === undefined) {
      const opened = await WsClient.open(this.#endpoint);
      this.#client = opened;
      this.#receiveAll(opened)
        .catch((error) => this.#client === opened && this.#waiting?.reject(error));
    }
    const offerId = crypto.getRandomValues(new Uint8Array(20));
    await this.#client.announce({
      infoHash,
      peerId: this.#peerId,
      left: 1,
      event: isStopped ? "stopped" : undefined,
      numWant: isStopped ? 0 : 1,
      offers: isStopped ? [] : [{ offerId, sdp: SDP }],
    });
  }

  /** Takes what the tracker sends, until the connection ends. */
  async #receiveAll(client: WsClient): Promise<void> {
    for (
      let message = await client.receive();
      message !== undefined;
      message = await client.receive()
    ) {
      if (message.kind === "announce") this.#waiting?.resolve(message);
      if (message.kind === "failure") {
        this.#waiting?.reject(new Error(`Told ${JSON.stringify(message.reason)}`));
      }
      if (message.kind !== "offer") continue;
      const { infoHash, peerId, offerId } = message;
      const answer = { infoHash, peerId: this.#peerId, toPeerId: peerId, offerId, sdp: SDP };
      await client.answer(answer);
    }
    if (this.#client === client) this.#waiting?.reject(new Error("The connection ended"));
  }

  close(): void {
    this.#client?.[Symbol.dispose]();
    this.#client = undefined;
  }
}
