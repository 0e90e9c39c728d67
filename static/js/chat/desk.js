/**
 * The desk: the worker's screen. Wires the line, the state and the three panes together.
 *
 * Frames come in here and go to the state, which tells the panes what to redraw. Two windows of one
 * worker are two such pages that hear the same things.
 */

import { Connection } from "./connection.js";
import { About } from "./desk_about.js";
import { Alerts } from "./desk_alerts.js";
import { Bar } from "./desk_bar.js";
import { Checklists } from "./desk_checklists.js";
import { Commands } from "./desk_commands.js";
import { Conversation } from "./desk_conversation.js";
import { askDespite, CloseDialog, HandOverDialog } from "./desk_dialogs.js";
import { byId, announce, say } from "./desk_dom.js";
import { listenToKeys } from "./desk_keys.js";
import { Letters } from "./desk_letters.js";
import { announcePresence, Lists } from "./desk_lists.js";
import { QuickReplies } from "./desk_replies.js";
import { State } from "./desk_state.js";
import { UrgencyDialog } from "./desk_urgency.js";

/** A page that is sent to reload at once after loading would do so for ever. */
const RELOAD_AFTER = 4000;
const HELLO_REST = 2000;

const desk = byId("desk");
const state = new State();
let isLeaving = false;
let isSettled = false;
let helloAt = 0;

const connection = new Connection({
  socketUrl: desk.dataset.socket,
  framesUrl: desk.dataset.frames,
  hello: () => ({ type: "hello", after: state.positions() }),
  onFrame: receive,
  onState: (now, code) => {
    bar.drawLink(now);
    if (now !== "open" && now !== "polling") commands.loseAll();
    if (now === "stopped" && code) reload();
  },
});
const send = (frame) => connection.send(frame);
const commands = new Commands(send);
const conversation = new Conversation({ state, send });
const about = new About({ state, send });
const bar = new Bar({ state, send });
const lists = new Lists({
  state,
  onClaim: claim,
  onSelect: (id) => choose(id),
  onUrgency: ({ conversation: id, label, urgency: level }) =>
    urgency.ask({ id, label: say("who", { label }), urgency: level }),
});
const replies = new QuickReplies((text) => conversation.insert(text));
const handOver = new HandOverDialog(runVerb, state);
const close = new CloseDialog(runVerb);
const run = (frame, isDone) => commands.run(frame, isDone);
const urgency = new UrgencyDialog(run, state);
new Checklists({ state, run });
new Letters(state);
new Alerts({
  state,
  onGo: (id) => {
    showPane("lists");
    lists.reveal(id);
  },
});

// --- Frames -------------------------------------------------------------------------------------

function receive(frame) {
  switch (frame.type) {
    case "hello":
      if (state.epoch && frame.epoch !== state.epoch) return reload();
      state.epoch = frame.epoch;
      state.apply(frame);
      conversation.resend();
      about.resend();
      break;
    case "heartbeat":
      if (isBehind(frame.top)) sayHello();
      break;
    case "restart":
      bar.restarting();
      break;
    case "message.refused":
      if (!conversation.refuse(frame)) about.refuse(frame);
      break;
    case "error":
      if (!commands.refuse(frame)) refused(frame);
      break;
    default:
      state.apply(frame);
      if (frame.type === "desk") settleIn();
      openNewChats();
      if (frame.type === "message.posted" && conversation.hasGap) sayHello();
      commands.look();
  }
}

/** Something was refused that nobody waits for. */
function refused(frame) {
  if (frame.code === "stale") return reload();
  // Reading what is not ours any more, or telling of a chat that just ended: the desk knows.
  if (["conversation.open", "conversation.leave", "typing", "seen"].includes(frame.command)) return;
  bar.tell(frame.text);
}

function isBehind(top = {}) {
  return Object.entries(top).some(([id, seq]) => seq > (state.chats.get(id)?.last ?? seq));
}

/** Ask for what is missing, but not more often than it can come. */
function sayHello() {
  if (performance.now() - helloAt < HELLO_REST) return;
  helloAt = performance.now();
  send({ type: "hello", after: state.positions() });
}

/** After loading, show the chat that goes on; without a word and without taking the focus. */
function settleIn() {
  if (isSettled) return;
  isSettled = true;
  const [first] = state.chats.keys();
  if (first) state.select(first);
}

/** Read along with every own chat, from the moment that it is ours. */
function openNewChats() {
  for (const chat of state.chats.values()) {
    if (chat.isAsked) continue;
    chat.isAsked = send({ type: "conversation.open", conversation: chat.id, after: chat.last });
  }
}

function reload() {
  if (isLeaving) return;
  isLeaving = true; // no "are you sure": the words could not be sent from here any more
  connection.stop();
  setTimeout(() => location.reload(), Math.max(0, RELOAD_AFTER - performance.now()));
}

// --- Verbs --------------------------------------------------------------------------------------

async function claim({ conversation: id }, despite = false) {
  const frame = { type: "conversation.claim", conversation: id, despite };
  const outcome = await commands.run(frame, () => state.chats.has(id));
  if (outcome.ok) {
    announce(say("claimed"));
    choose(id);
  } else if (!despite && ["extra", "urgent"].includes(outcome.code)) {
    if (await askDespite(outcome.text)) await claim({ conversation: id }, true);
  } else {
    lists.tell(outcome.text);
  }
}

/** Hand over, close and register all end with the chat leaving this desk. */
function runVerb(frame) {
  return commands.run(frame, () => !state.chats.has(frame.conversation));
}

function choose(id) {
  state.select(id);
  showPane("conversation");
  conversation.look();
  conversation.focus();
}

// --- Panes --------------------------------------------------------------------------------------

function showPane(name) {
  desk.dataset.pane = name;
  for (const tab of document.querySelectorAll(".desk-tabs button")) {
    if (tab.dataset.pane === name) tab.setAttribute("aria-current", "true");
    else tab.removeAttribute("aria-current");
  }
  if (name === "conversation") conversation.look();
}

state.isLooking = () =>
  document.visibilityState === "visible" && byId("transcripts").getClientRects().length > 0;

for (const tab of document.querySelectorAll(".desk-tabs button")) {
  tab.addEventListener("click", () => showPane(tab.dataset.pane));
}
document.addEventListener("visibilitychange", () => conversation.look());
state.addEventListener("presence", ({ detail }) => announcePresence(detail.chat));
state.addEventListener("gone", ({ detail }) => {
  const focused = document.activeElement;
  const wasThere = focused.closest("#conversation, dialog") || focused === document.body;
  handOver.closeFor(detail.chat.id);
  close.closeFor(detail.chat.id);
  urgency.closeFor(detail.chat.id);
  // Once the pane is empty and a closing dialog gave the focus back to what is hidden now.
  if (detail.wasSelected && wasThere) queueMicrotask(() => byId("none-title").focus());
});

byId("open-hand-over").addEventListener("click", () => state.chat && handOver.open(state.selected));
for (const id of ["open-close", "open-register"]) {
  byId(id).addEventListener("click", () => state.chat && close.open(state.chat));
}
byId("open-urgency").addEventListener("click", () => state.chat && urgency.ask(state.chat));
byId("open-help").addEventListener("click", () => byId("help-dialog").showModal());
listenToKeys({
  onChat: (place) => {
    const chat = [...state.chats.values()][place - 1];
    if (chat) choose(chat.id);
  },
  onQueue: () => {
    showPane("lists");
    byId("queue-title").focus();
  },
  onReplies: () => replies.open(),
  onHelp: () => byId("help-dialog").showModal(),
});
addEventListener("beforeunload", (event) => {
  if (!isLeaving && (conversation.hasUnsaved || about.hasUnsaved)) event.preventDefault();
});

connection.start();
