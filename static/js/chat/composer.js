/**
 * The field in which a message is written: grows with it, counts near the limit, sends with Enter
 * where there is a keyboard, and tells that somebody is writing. Shared by visit and desk.
 */

export const LIMIT = 4000;
const COUNT_FROM = 3600;
const TYPING_EVERY = 3000;
const TYPING_UNTIL = 5000;

/** The length as the server counts it: characters, not the units that JavaScript counts. */
export function lengthOf(text) {
  return [...text.normalize("NFC").trim()].length;
}

export class Composer {
  #form;
  #field;
  #counter;
  #texts;
  #onPost;
  #onTyping;
  #typingSince = 0;
  #typingEnds = 0;

  /**
   * @param {object} options
   * @param {HTMLFormElement} options.form with one `<textarea>`
   * @param {HTMLElement} options.counter a `role="status"`, empty until the limit is near
   * @param {{left: string, tooMany: string}} options.texts each with one `%s` for a number
   * @param {(text: string) => boolean} options.onPost the words are cleared when it returns true
   * @param {(on: boolean) => void} options.onTyping at most every 3 s; false when writing stopped
   */
  constructor({ form, counter, texts, onPost, onTyping }) {
    this.#form = form;
    this.#field = form.querySelector("textarea");
    this.#counter = counter;
    this.#texts = texts;
    this.#onPost = onPost;
    this.#onTyping = onTyping;
    this.#field.removeAttribute("maxlength"); // cuts off pasted text without a word
    this.#field.required = false; // an empty message is simply not sent
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#post();
    });
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    this.#field.addEventListener("input", () => this.#changed());
    this.#fit();
  }

  get text() {
    return this.#field.value;
  }

  /** Put words in the field, such as a draft or a quick reply. */
  set text(text) {
    this.#field.value = text;
    this.#fit();
  }

  focus() {
    this.#field.focus({ preventScroll: true });
  }

  #key(event) {
    const hasKeyboard = matchMedia("(hover: hover) and (pointer: fine)").matches;
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || !hasKeyboard) return;
    event.preventDefault();
    this.#post();
  }

  #post() {
    const text = this.#field.value.trim();
    if (!text || lengthOf(text) > LIMIT) return this.focus();
    if (!this.#onPost(text)) return;
    this.text = "";
    this.#stopTyping();
    this.focus();
  }

  #changed() {
    this.#fit();
    if (!this.#field.value.trim()) return this.#stopTyping();
    clearTimeout(this.#typingEnds);
    this.#typingEnds = setTimeout(() => this.#stopTyping(), TYPING_UNTIL);
    if (performance.now() - this.#typingSince < TYPING_EVERY && this.#typingSince) return;
    this.#typingSince = performance.now();
    this.#onTyping(true);
  }

  #stopTyping() {
    clearTimeout(this.#typingEnds);
    if (!this.#typingSince) return;
    this.#typingSince = 0;
    this.#onTyping(false);
  }

  /** As high as the words, within the limits of the stylesheet; and the count. */
  #fit() {
    const field = this.#field;
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
    const length = lengthOf(field.value);
    const left = LIMIT - length;
    let text = "";
    if (left < 0) text = this.#texts.tooMany.replace("%s", -left);
    else if (length >= COUNT_FROM) text = this.#texts.left.replace("%s", left);
    if (this.#counter.textContent !== text) this.#counter.textContent = text;
    this.#form.classList.toggle("is-too-long", left < 0);
    field.setAttribute("aria-invalid", String(left < 0));
  }
}
