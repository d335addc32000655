// The player's socket (/v1/ws, subprotocol playtower.v1): hello with token and cursor, deltas, resume after a loss.

const FIRST_DELAY_MS = 500;
const LAST_DELAY_MS = 15_000;
const POLICY = 1008; // the engine's close code for a token that has ended, and for too many messages
const ACK_EVERY_MS = 5_000; // a socket may say a hundred things a minute

/**
 * Keeps one player's socket open. Each delta moves the cursor, so a reconnect brings what was missed, once.
 *
 * @param {{token: () => Promise<string>, onState: (tone: string, text: string, how: {code: string, again_s?: number}) => void,
 *          onDelta: (delta: object) => void, onResync: (frame: object) => void,
 *          onRefused?: () => void}} handlers  onRefused: closed by the engine; who finds the token dead calls close()
 */
export class PlayerSocket {
  #handlers;
  #socket = null;
  #cursor = null;
  #delay = FIRST_DELAY_MS;
  #timer = 0;
  #acking = 0;
  #ended = false;

  constructor(handlers) {
    this.#handlers = handlers;
    this.#open();
  }

  /** Ends it for good. */
  close() {
    this.#ended = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#acking);
    this.#socket?.close();
  }

  async #open() {
    this.#handlers.onState("warn", "Connecting", { code: "connecting" });
    let token;
    try {
      token = await this.#handlers.token(); // a new one each time: tokens are short-lived
    } catch (error) {
      return this.#again(error.message);
    }
    if (this.#ended) return;
    const address = new URL("/v1/ws", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = (this.#socket = new WebSocket(address, "playtower.v1"));
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", token, cursor: this.#cursor }));
    socket.onmessage = (message) => this.#take(JSON.parse(message.data));
    socket.onclose = (closed) => this.#closed(closed);
  }

  #closed({ code, reason }) {
    this.#again(reason || "Connection lost");
    if (code === POLICY && !this.#ended) this.#handlers.onRefused?.();
  }

  #take(frame) {
    if (frame.cursor != null) this.#cursor = frame.cursor;
    if (frame.type === "welcome") {
      this.#delay = FIRST_DELAY_MS;
      this.#handlers.onState("good", "Live", { code: "live" });
    } else if (frame.type === "resync") {
      this.#handlers.onResync(frame);
    } else if (frame.type === "error") {
      this.#handlers.onState("bad", frame.detail || frame.code || "Refused", { code: "refused" });
    } else {
      this.#handlers.onDelta(frame);
    }
    if (frame.cursor != null && frame.type !== "welcome") this.#acking ||= setTimeout(() => this.#ack(), ACK_EVERY_MS);
  }

  #ack() {
    this.#acking = 0;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type: "ack", cursor: this.#cursor }));
  }

  #again(why) {
    if (this.#ended) return;
    const again_s = Math.ceil(this.#delay / 1000);
    this.#handlers.onState("bad", `${why}; again in ${again_s} s`, { code: "lost", again_s });
    this.#timer = setTimeout(() => this.#open(), this.#delay * (0.75 + Math.random() / 2));
    this.#delay = Math.min(this.#delay * 2, LAST_DELAY_MS);
  }
}
