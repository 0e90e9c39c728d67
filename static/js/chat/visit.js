/**
 * The page of a visit, live: the queue, the talk, its end. Without this script the same page works
 * as forms; with it nothing is stored in the browser and the focus stays where the visitor put it.
 */

import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { Outbox } from "./outbox.js";
import { Transcript } from "./transcript.js";

const TYPING_FORGOTTEN = 6000;
/** A line that is back sooner than this was not worth a word. */
const PATIENCE = 2500;
const HELLO_AGAIN_AFTER = 2000;

const part = (id) => document.getElementById(id);
const texts = JSON.parse(part("texts").textContent);
const talk = part("talk");
const scroll = part("scroll");
const conversation = talk.dataset.conversation;

let status = talk.dataset.status;
let worker = "";
let epoch = "";
let seenSent = 0;
let saidHelloAt = -HELLO_AGAIN_AFTER;
let typingEnds = 0;
let lineTimer = 0;
let hadLine = false;
let isDone = false;

const hasEnded = (some) => some === "closed" || some === "abandoned";

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

/** Say something to screen readers that stands elsewhere on the page already. */
function announce(text) {
  part("announce").textContent = text;
}

function show(node, visible) {
  if (node.hidden === visible) node.hidden = !visible;
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Load the page anew; never in a quick loop, whatever the server says. */
function reload() {
  // Whoever is on the way out (triage/exit.js) must not be brought back by the end of the visit.
  if (isDone || document.documentElement.classList.contains("is-leaving")) return;
  isDone = true;
  connection.stop();
  const again = performance.getEntriesByType("navigation")[0]?.type === "reload";
  const wait = again && performance.now() < 5000 ? 5000 : 0;
  if (wait) tellLine(texts.reload);
  setTimeout(() => location.reload(), wait);
}

// --- Parts ----------------------------------------------------------------------------------------

const outbox = new Outbox({
  send: (frame) => connection.send(frame),
  onChange(entry) {
    transcript.pending(entry);
    if (entry.state === "refused") announce(`${texts.not_sent} ${entry.reason}`);
  },
});

const transcript = new Transcript(part("log"), {
  mine: "visitor",
  // On a low screen the stylesheet lets the whole page flow.
  scroller: () =>
    getComputedStyle(scroll).overflowY === "visible" ? document.scrollingElement : scroll,
  texts: {
    you: texts.you,
    other: texts.worker,
    sending: texts.sending,
    sent: texts.sent,
    seen: texts.seen,
    notSent: texts.not_sent,
    retry: texts.retry,
  },
  onRetry: (clientId) => outbox.retry(clientId),
});

const connection = new Connection({
  socketUrl: talk.dataset.socket,
  framesUrl: talk.dataset.frames,
  hello,
  onFrame: hear,
  onState: lineChanged,
});

function hello() {
  saidHelloAt = performance.now();
  return { type: "hello", conversation, after: transcript.top };
}

// --- What the server says -------------------------------------------------------------------------

function hear(frame) {
  if (isDone) return;
  switch (frame.type) {
    case "hello":
      greeted(frame);
      break;
    case "message.posted":
      posted(frame);
      break;
    case "message.refused":
      outbox.refuse(frame);
      break;
    case "status.changed":
      statusChanged(frame);
      break;
    case "queue.place":
      place(frame);
      break;
    case "danger":
      danger();
      break;
    case "typing":
      typing(frame.on);
      break;
    case "seen":
      if (frame.author === "worker") transcript.seen(frame.seq);
      break;
    case "heartbeat":
      if (frame.top[conversation] > transcript.top) askMissing();
      break;
    case "visit.ended":
      goAway();
      break;
    case "error":
      if (frame.code === "stale") reload();
      break;
  }
}

function greeted(frame) {
  // Another epoch: a backup was restored, and our numbers may mean something else now.
  if (epoch && frame.epoch !== epoch) return reload();
  if (frame.kind === "letter") return reload();
  epoch = frame.epoch;
  const changed = frame.status !== status || (frame.worker && worker && frame.worker !== worker);
  worker = frame.worker || worker;
  if (changed) happened(frame.status, "", frame.closing_reason);
  if (frame.danger) danger();
  if (frame.place) place(frame.place);
  if (frame.seen) transcript.seen(frame.seen);
  render(frame.status);
}

function posted(frame) {
  outbox.acknowledge(frame);
  const wasAtEnd = transcript.isAtEnd;
  const isNew = transcript.accept(frame);
  if (transcript.hasGap) askMissing();
  if (frame.author === "worker") {
    worker = frame.name;
    typing(false);
    if (isNew && !wasAtEnd) show(part("newer"), true);
  }
  tellSeen();
}

function statusChanged(frame) {
  // In another window the chat became a letter, or was erased: this page is about nothing any more.
  if (frame.reason === "letter" || frame.reason === "erased") return reload();
  if (frame.status === status) return;
  if (frame.worker) worker = frame.worker;
  happened(frame.status, frame.reason, "");
  render(frame.status);
}

/** Put what happened between the messages, where a screen reader hears it too. */
function happened(to, reason, closingReason) {
  const name = worker || texts.worker;
  if (to === "active") {
    transcript.note(fill(texts.joined, { name }));
  } else if (to === "waiting") {
    const why = reason === "handed_over" ? texts.handed_over : texts.worker_lost;
    transcript.note(fill(why, { name }));
  } else {
    const why = to === "abandoned" && !reason ? texts.gone : whyEnded(reason || closingReason);
    write(part("ended-text"), fill(why, { name }));
    announce(part("ended-text").textContent);
  }
}

function whyEnded(reason) {
  const reasons = {
    left: texts.ended_by_you,
    closed: texts.ended_by_you,
    by_visitor: texts.ended_by_you,
    visitor_left: texts.ended_other,
    lost: texts.ended_lost,
    closing_time: texts.ended_closing_time,
    finished: texts.ended_by_worker,
    referred: texts.ended_by_worker,
    time: texts.ended_by_worker,
    misuse: texts.ended_by_worker,
  };
  return reasons[reason] ?? texts.ended_other;
}

/** Show what belongs to a status: one place for the heading and for what is visible. */
function render(to) {
  const wasTalking = status === "active";
  const hadEnded = hasEnded(status);
  status = to;
  talk.dataset.status = to;
  const isWaiting = to === "waiting";
  if (!isWaiting) {
    show(part("place"), false);
    show(part("no-fit"), false);
  }
  show(part("wait"), isWaiting);
  if (to === "active") write(part("heading"), fill(texts.active, { name: worker || texts.worker }));
  if (isWaiting && wasTalking) write(part("heading"), texts.returned);
  if (hasEnded(to) && !hadEnded) end();
}

function place(at) {
  const why = { urgent: texts.why_urgent, waited: texts.why_waited }[at.why];
  const sentence = why ?? (at.place === 1 ? texts.place_first : texts.place);
  let wait = texts.wait;
  if (at.minutes === null) wait = texts.wait_unknown;
  if (at.minutes === 0) wait = texts.wait_now;
  const text = fill(`${sentence} ${wait}`, at);
  show(part("place"), true);
  if (part("place").textContent !== text) {
    write(part("place"), text);
    announce(text);
  }
  if (part("no-fit").hidden && !at.fits) announce(part("no-fit").firstElementChild.textContent);
  show(part("no-fit"), !at.fits);
}

/** What was written points to danger: the help lines come, and stay. */
function danger() {
  if (!part("danger").hidden) return;
  show(part("danger"), true);
  show(part("danger-place"), true);
  announce(part("danger").textContent.replace(/\s+/g, " ").trim());
}

function typing(on) {
  clearTimeout(typingEnds);
  write(part("typing"), on ? fill(texts.typing, { name: worker || texts.worker }) : "");
  if (on) typingEnds = setTimeout(() => typing(false), TYPING_FORGOTTEN);
  if (on && transcript.isAtEnd) transcript.toEnd();
}

function askMissing() {
  if (performance.now() - saidHelloAt >= HELLO_AGAIN_AFTER) connection.send(hello());
}

/** All stays readable; going on is the visitor's own step. The line stays: acks may still come. */
function end() {
  typing(false);
  write(part("heading"), status === "closed" ? texts.ended : texts.gone);
  const draft = composer.text.trim();
  show(part("draft"), Boolean(draft));
  part("draft-text").textContent = draft;
  show(part("foot"), false);
  show(stop, false);
  show(part("ended"), true);
  transcript.toEnd();
}

/** The exit was used in another window: show nothing more. */
function goAway() {
  isDone = true;
  connection.stop();
  // This window may be the one that left, and is on its way already.
  if (document.documentElement.classList.contains("is-leaving")) return;
  document.documentElement.classList.add("is-leaving");
  location.replace(part("exit").dataset.exit);
}

// --- The line -------------------------------------------------------------------------------------

function lineChanged(state, code) {
  if (state === "stopped") {
    if (code) reload();
    return;
  }
  if (state !== "open" && state !== "polling") {
    // Every attempt changes the state: the first loss counts, and later ones must not put it off.
    lineTimer ||= setTimeout(() => tellLine(texts.offline), PATIENCE);
  } else {
    hadLine = true;
    clearTimeout(lineTimer);
    lineTimer = 0;
    if (state === "open" && !part("line").hidden) announce(texts.back);
    tellLine(state === "open" ? "" : texts.polling);
    seenSent = 0;
    write(part("stop-error"), "");
    outbox.resend();
    // The hello that is being answered did not know yet that something is visible.
    setTimeout(tellSeen, 0);
  }
}

function tellLine(text) {
  const line = part("line");
  show(line, Boolean(text));
  if (line.textContent === text) return;
  line.textContent = text;
  if (text) announce(text);
}

// --- What the visitor does ------------------------------------------------------------------------

const composer = new Composer({
  form: part("composer"),
  counter: part("left"),
  texts: { left: texts.left, tooMany: texts.too_many },
  onPost(text) {
    outbox.post({ type: "message.post", text });
    return true;
  },
  onTyping: (on) => connection.send({ type: "typing", on }),
});

/** Seen is what stood on a visible screen, not what arrived. */
function tellSeen() {
  if (isDone || document.visibilityState !== "visible" || !transcript.isAtEnd) return;
  const top = transcript.top;
  if (top > seenSent && connection.send({ type: "seen", seq: top })) seenSent = top;
}

document.addEventListener("visibilitychange", tellSeen);
for (const scroller of [scroll, document]) {
  scroller.addEventListener("scroll", () => {
    if (!transcript.isAtEnd) return;
    show(part("newer"), false);
    tellSeen();
  });
}
part("newer").addEventListener("click", () => transcript.toEnd());

const stop = part("stop");
part("stop-no").addEventListener("click", closeStop);
stop.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeStop();
});
part("stop-form").addEventListener("submit", (event) => {
  // Without a line the browser would show its own error page, and the words would be gone. A page
  // that has only just come is still making its first one.
  if (connection.state === "open" || connection.state === "polling") return;
  if (!hadLine && performance.now() < PATIENCE) return;
  event.preventDefault();
  write(part("stop-error"), texts.not_now);
});

function closeStop() {
  stop.open = false;
  stop.querySelector("summary").focus();
}

// --- Screens with a keyboard on them --------------------------------------------------------------

/** Phones lay their keyboard over the page; keep the field and the last words above it. */
function fitViewport() {
  const { height, offsetTop, scale } = visualViewport;
  const style = document.documentElement.style;
  if (scale > 1.01 || height >= innerHeight) {
    // Somebody zoomed in, or there is no keyboard: the stylesheet knows best.
    style.removeProperty("--screen-height");
    style.removeProperty("--screen-top");
  } else {
    style.setProperty("--screen-height", `${height}px`);
    style.setProperty("--screen-top", `${offsetTop}px`);
  }
}

if (window.visualViewport) {
  visualViewport.addEventListener("resize", fitViewport);
  visualViewport.addEventListener("scroll", fitViewport);
}

document.documentElement.classList.add("is-live");
if (!transcript.isEmpty) transcript.toEnd();
connection.start();
