/** Small hands for the desk's page: texts, slots, and lists that change without losing focus. */

const texts = JSON.parse(document.getElementById("texts").textContent);

/** The page's sentence for `key`, with `{name}` filled in from `values`. */
export function say(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** `say` for a number: `key_one` or `key_many`. */
export function sayCount(key, n) {
  return say(n === 1 ? `${key}_one` : `${key}_many`, { n });
}

export const byId = (id) => document.getElementById(id);

/** The element of a cloned `<template>` that the script fills in. */
export const slot = (element, name) => element.querySelector(`[data-slot="${name}"]`);

/** Change a text only when it differs, so that nothing is announced or repainted for nothing. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, isShown) {
  element.hidden = !isShown;
}

/** Fill a badge with an urgency: the word first, the colour with it. */
export function putUrgency(badge, urgency) {
  put(badge, say(`urgency_${urgency}`));
  for (const one of ["now", "soon", "normal"]) {
    badge.classList.toggle(`badge-${one}`, one === urgency);
  }
}

/** Give a list these lines; the elements stay if the texts do. */
export function putLines(list, lines) {
  if (list.children.length === lines.length) {
    lines.forEach((line, i) => put(list.children[i], line));
    return;
  }
  list.replaceChildren(
    ...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }),
  );
}

/** Who raised or lowered the urgency and why, a line each. */
export function changeLines(changes) {
  return changes.map(({ name, at, old, new: now, reason }) =>
    say("changed_by", {
      name,
      time: clock(at),
      old: say(`urgency_${old}`),
      new: say(`urgency_${now}`),
      reason,
    }).trim(),
  );
}

/** A fresh copy of the one element in `<template id=…>`. */
export function clone(templateId) {
  return byId(templateId).content.firstElementChild.cloneNode(true);
}

/**
 * Make the children of `parent` follow `items`, keeping the element of each key: what has the focus
 * or is being read stays where it is.
 * @returns {boolean} false when the element that had the focus is gone
 */
export function follow(parent, items, { key, create, fill }) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const wanted = new Set(items.map(key));
  for (const child of [...parent.children]) {
    if (!wanted.has(child.dataset.key)) child.remove();
  }
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    let element = known.get(key(item));
    if (!element) {
      element = create(item);
      element.dataset.key = key(item);
    }
    fill(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  if (!focused) return true;
  if (!focused.isConnected) return false;
  if (document.activeElement !== focused) focused.focus();
  return true;
}

/** Whole minutes since an ISO time; never negative, whatever the clock of this computer says. */
export function minutesSince(iso) {
  return Math.max(0, Math.floor((Date.now() - Date.parse(iso)) / 60000));
}

export function clock(iso) {
  return new Date(iso).toLocaleTimeString(document.documentElement.lang, {
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23", // in English too, as in all other texts
  });
}

let announced = 0;

/** Say something to people who listen to the page; the same sentence twice is said twice. */
export function announce(text) {
  announced += 1;
  byId("announce").textContent = announced % 2 ? text : `${text}\u00a0`;
}
