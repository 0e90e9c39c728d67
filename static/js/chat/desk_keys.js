/**
 * Shortcuts: Alt with a digit for a chat, `/` for a quick reply, `?` for the list of shortcuts.
 *
 * None of them works while something else is typed, and all can be switched off (WCAG 2.1.4): some
 * keyboards and screen readers use these keys for themselves. The choice is remembered in
 * localStorage, like the sound's (see desk_alerts.js).
 */

import { byId } from "./desk_dom.js";

const KEYS_KEY = "klikvoor.desk.shortcuts";

/** Whether keys are words here. */
function isTyping(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]");
}

/**
 * @param {object} deeds
 * @param {(place: number) => void} deeds.onChat Alt with 1 to 9: the chat at this place
 * @param {() => void} deeds.onQueue Alt with 0
 * @param {() => void} deeds.onReplies `/` at the start of an empty message
 * @param {() => void} deeds.onHelp `?`
 */
export function listenToKeys({ onChat, onQueue, onReplies, onHelp }) {
  const checkbox = byId("shortcuts-on");
  checkbox.checked = localStorage.getItem(KEYS_KEY) !== "off";
  checkbox.addEventListener("change", () => {
    localStorage.setItem(KEYS_KEY, checkbox.checked ? "on" : "off");
  });

  document.addEventListener("keydown", (event) => {
    if (!checkbox.checked || event.isComposing || event.ctrlKey || event.metaKey) return;
    if (document.querySelector("dialog[open]")) return;
    const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code);
    if (event.altKey) {
      if (!digit || event.shiftKey || event.getModifierState("AltGraph")) return;
      if (digit[1] === "0") onQueue();
      else onChat(Number(digit[1]));
    } else if (event.key === "/" && event.target === byId("composer-text")) {
      if (event.target.value) return;
      onReplies();
    } else if (event.key === "?" && !isTyping(event.target)) {
      onHelp();
    } else {
      return;
    }
    event.preventDefault();
  });
}
