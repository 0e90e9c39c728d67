/**
 * The line to the server: a socket, and where sockets are blocked the same frames over HTTPS.
 *
 * Promises only that it keeps trying, that `hello` is the first frame on every connection, and that
 * `onState` tells the truth. What must not be lost is kept by the outbox. See docs/protocol.md.
 */

import { whileHidden } from "./pulse.js";

const second = 1000;

export const CONNECT_WITHIN = 8 * second;
export const ANSWER_WITHIN = 10 * second;
/** A socket that was opened and broken again sooner than this counts as failed. */
const STEADY_AFTER = 5 * second;
const FIRST_DELAY = 0.5 * second;
const LONGEST_DELAY = 30 * second;
const FAILURES_BEFORE_HTTPS = 3;
const POLL_EVERY = 3 * second;
const SOCKET_AGAIN_AFTER = 60 * second;
const PULSE = 2 * second;
/** Of one request over HTTPS; the server takes 20 frames and 64 KiB. */
const FRAMES_PER_POST = 20;
const BYTES_PER_POST = 48 * 1024;

/** Close codes, and the HTTPS answers that mean the same, after which only a new page helps. */
const FINAL_CODES = new Set([4400, 4401, 4403]);
const FINAL_ANSWERS = new Map([[400, 4400], [401, 4401], [403, 4403]]);
const TOO_MUCH = 4429;

/** Frames of which only the last one of its kind is worth sending. */
const FLEETING = new Set(["typing", "seen"]);

/** The server could not look just now: the same as no answer, and sooner known. */
const isHelloUnanswered = (frame) =>
  frame.type === "error" && frame.command === "hello" && frame.code === "unavailable";

const between = (low, high) => low + Math.random() * (high - low);

/** Full jitter: anything up to 0.5 s, 1 s, 2 s … 30 s, so that a crowd does not come back at once. */
export function backOff(failures) {
  return between(0, Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures));
}

/**
 * @typedef {"connecting" | "open" | "waiting" | "polling" | "stopped"} State
 *   `open`: the server answered our hello on a socket. `polling`: it answers over HTTPS.
 *   `waiting`: no line, trying again soon. `stopped`: for good.
 */
export class Connection {
  #options;
  #state = "waiting";
  #socket = null;
  #isOpen = false;
  #openedAt = 0;
  #failures = 0;
  #restartWithin = 0;
  #timers = {};
  #isPolling = false;
  #pollsFailed = 0;
  #pollAnswered = false;
  #request = null;
  #pending = [];
  #stopped = true;
  #wake = (event) => this.#wakeUp(event);
  #stopPulse = () => {};

  /**
   * @param {object} options
   * @param {string} options.socketUrl path of the socket, for example "/ws/visit/"
   * @param {string} options.framesUrl path of the HTTPS fall-back, for example "/visit/frames/"
   * @param {() => object} options.hello the frame that opens every connection and every poll
   * @param {(frame: object) => void} options.onFrame every frame from the server, in order
   * @param {(state: State, code: number) => void} options.onState every change; with `stopped` a
   *   code other than 0 (4400, 4401, 4403) says: reload the page
   */
  constructor(options) {
    this.#options = options;
  }

  get state() {
    return this.#state;
  }

  start() {
    if (!this.#stopped) return;
    this.#stopped = false;
    for (const name of ["online", "pageshow"]) addEventListener(name, this.#wake);
    for (const name of ["visibilitychange", "resume"]) {
      document.addEventListener(name, this.#wake);
    }
    this.#stopPulse = whileHidden(PULSE, () => this.#runOverdue());
    this.#connect();
  }

  /** Close the line and never open it again (until `start`). */
  stop() {
    this.#stop(0);
  }

  /**
   * Hand a frame to the network. False: there is no line, nothing was sent. True proves nothing
   * yet: only an event from the server does.
   */
  send(frame) {
    if (this.#isOpen && this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(frame));
      return true;
    }
    if (this.#isPolling && this.#pollAnswered) {
      this.#sendLater(frame);
      return true;
    }
    return false;
  }

  // --- The socket -------------------------------------------------------------------------------

  #connect() {
    if (this.#stopped || this.#socket) return;
    this.#cancel("connect");
    const url = new URL(this.#options.socketUrl, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#tellState();
    // Only this socket's own events count: a dropped one may still speak up much later.
    const ours = (deed) => (event) => socket === this.#socket && deed(event);
    socket.onopen = ours(() => socket.send(JSON.stringify(this.#options.hello())));
    socket.onmessage = ours((event) => this.#receive(event.data));
    socket.onclose = ours((event) => this.#closed(event.code));
    this.#after("answer", CONNECT_WITHIN, () => this.#drop());
  }

  #receive(data) {
    const frame = JSON.parse(data);
    if (this.#isOpen) {
      this.#cancel("answer");
    } else if (frame.type === "hello") {
      this.#cancel("answer");
      this.#isOpen = true;
      this.#openedAt = performance.now();
      const pending = this.#pending;
      this.#stopPolling();
      for (const waiting of pending) this.#socket.send(JSON.stringify(waiting));
      this.#planHeartbeat();
      this.#tellState();
    } else if (isHelloUnanswered(frame)) {
      return this.#drop();
    }
    if (frame.type === "restart") this.#leaveWithin(frame.within * second);
    this.#options.onFrame(frame);
  }

  /** The server stops soon: change over at a moment of our own, before it closes the socket. */
  #leaveWithin(time) {
    this.#restartWithin = time;
    this.#after("leave", between(0, time), () => {
      this.#restartWithin = 0;
      this.#drop();
    });
  }

  #planHeartbeat() {
    this.#after("heartbeat", between(20, 25) * second, () => this.#beat(ANSWER_WITHIN));
  }

  /** Phones keep sockets that look open and are dead: one that does not answer is dropped. */
  #beat(within) {
    if (!this.#isOpen) return;
    this.#socket.send('{"type":"heartbeat"}');
    this.#planHeartbeat();
    if (!this.#timers.answer) this.#after("answer", within, () => this.#drop());
  }

  /** Give a dead socket up without waiting for its close, which may take minutes. */
  #drop() {
    const socket = this.#socket;
    if (!socket) return;
    this.#closed(0);
    socket.close();
  }

  #closed(code) {
    const wasSteady = this.#isOpen && performance.now() - this.#openedAt >= STEADY_AFTER;
    this.#socket = null;
    this.#isOpen = false;
    this.#cancel("answer");
    this.#cancel("heartbeat");
    this.#cancel("leave");
    if (FINAL_CODES.has(code)) return this.#stop(code);

    let delay;
    if (code === TOO_MUCH) {
      delay = between(10, 12) * second;
    } else if (this.#restartWithin || code === 4503) {
      delay = between(0, this.#restartWithin || 5 * second);
    } else {
      this.#failures = wasSteady ? 0 : this.#failures + 1;
      delay = backOff(this.#failures);
    }
    this.#restartWithin = 0;
    if (this.#failures >= FAILURES_BEFORE_HTTPS) {
      this.#startPolling();
      delay = between(0.8, 1.2) * SOCKET_AGAIN_AFTER;
    }
    this.#after("connect", delay, () => this.#connect());
    this.#tellState();
  }

  /** The network or the page came back: do not sit out a delay, do not trust an old socket. */
  #wakeUp(event) {
    if (event.type === "visibilitychange" && document.visibilityState !== "visible") return;
    if (this.#isOpen) return this.#beat(ANSWER_WITHIN / 2);
    if (this.#isPolling) this.#poll();
    if (!this.#socket) this.#connect();
  }

  // --- Over HTTPS -------------------------------------------------------------------------------

  #startPolling() {
    if (this.#isPolling) return;
    this.#isPolling = true;
    this.#pollsFailed = 0;
    this.#poll();
  }

  #stopPolling() {
    this.#isPolling = false;
    this.#pollAnswered = false;
    this.#pending = [];
    this.#cancel("poll");
    this.#request?.abort();
    this.#request = null;
  }

  #sendLater(frame) {
    // Every request begins with a hello, which is also a sign of life.
    if (frame.type === "hello" || frame.type === "heartbeat") return;
    if (FLEETING.has(frame.type)) {
      this.#pending = this.#pending.filter(
        (other) => other.type !== frame.type || other.conversation !== frame.conversation,
      );
      this.#pending.push(frame);
    } else {
      this.#pending.push(frame);
      this.#after("poll", 0, () => this.#poll());
    }
  }

  async #poll() {
    // What waits now goes with the next request, planned when this one is done.
    if (this.#request || !this.#isPolling) return;
    this.#cancel("poll");
    const request = new AbortController();
    this.#request = request;
    const overdue = setTimeout(() => request.abort(), ANSWER_WITHIN);
    let status = 0;
    let frames = null;
    try {
      const response = await fetch(this.#options.framesUrl, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: this.#takePending(),
        cache: "no-store",
        redirect: "error",
        signal: request.signal,
      });
      status = response.status;
      if (response.ok) ({ frames } = await response.json());
    } catch {
      // No network, too slow, or somebody else's page in between: as if there was no answer.
    } finally {
      clearTimeout(overdue);
    }
    if (request !== this.#request) return; // stopped meanwhile, or a socket took over
    this.#request = null;
    if (FINAL_ANSWERS.has(status)) return this.#stop(FINAL_ANSWERS.get(status));
    if (Array.isArray(frames) && !frames.some(isHelloUnanswered)) this.#pollSucceeded(frames);
    else this.#pollFailed(status);
  }

  #takePending() {
    const frames = [this.#options.hello()];
    let size = 0;
    while (this.#pending.length && frames.length < FRAMES_PER_POST) {
      // Three bytes is what one UTF-16 unit takes at most.
      size += JSON.stringify(this.#pending[0]).length * 3;
      if (size > BYTES_PER_POST && frames.length > 1) break;
      frames.push(this.#pending.shift());
    }
    return JSON.stringify({ frames });
  }

  #pollSucceeded(frames) {
    const serverIsBack = this.#pollsFailed > 0;
    this.#pollsFailed = 0;
    this.#pollAnswered = true;
    const delay = this.#pending.length ? 0 : between(0.9, 1.1) * POLL_EVERY;
    this.#after("poll", delay, () => this.#poll());
    this.#tellState();
    for (const frame of frames) {
      if (this.#stopped) return;
      this.#options.onFrame(frame);
    }
    // Sockets failed because everything did: no reason to believe that they are blocked.
    if (serverIsBack && this.#isPolling) {
      this.#after("connect", between(0, 2) * second, () => this.#connect());
    }
  }

  #pollFailed(status) {
    this.#pollsFailed += 1;
    this.#pollAnswered = false;
    this.#pending = [];
    const delay = status === 429 ? between(10, 12) * second : backOff(this.#pollsFailed);
    this.#after("poll", delay, () => this.#poll());
    this.#tellState();
  }

  // --- Both -------------------------------------------------------------------------------------

  #stop(code) {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const name of ["online", "pageshow"]) removeEventListener(name, this.#wake);
    for (const name of ["visibilitychange", "resume"]) {
      document.removeEventListener(name, this.#wake);
    }
    this.#stopPulse();
    this.#stopPolling();
    for (const name of Object.keys(this.#timers)) this.#cancel(name);
    const socket = this.#socket;
    this.#socket = null;
    this.#isOpen = false;
    this.#failures = 0;
    socket?.close();
    this.#tellState(code);
  }

  #tellState(code = 0) {
    let state = "waiting";
    if (this.#stopped) state = "stopped";
    else if (this.#isOpen) state = "open";
    else if (this.#isPolling && this.#pollAnswered) state = "polling";
    else if (this.#socket) state = "connecting";
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState(state, code);
  }

  #after(name, delay, deed) {
    this.#cancel(name);
    const run = () => {
      this.#cancel(name);
      deed();
    };
    this.#timers[name] = { id: setTimeout(run, delay), due: performance.now() + delay, run };
  }

  #cancel(name) {
    clearTimeout(this.#timers[name]?.id);
    delete this.#timers[name];
  }

  /** In a hidden page the timers above come up to a minute late; this does not. */
  #runOverdue() {
    for (const { due, run } of Object.values(this.#timers)) if (performance.now() >= due) run();
  }
}
