// The field for a place, made a combobox (WAI-ARIA, list autocomplete with manual selection).
//
// It searches in a list of the whole country that comes once, so nobody hears what is typed. Without
// the list, or without this script, it stays a plain field and the server finds the place.

const MOST = 7;

/** As `plain` in institutions/places: small letters, no accents, single spaces. */
const plain = (text) =>
  text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").split(/\s+/).filter(Boolean).join(" ");

/** Every name to what it means: municipalities first, each list by name. */
function index({ municipalities, names, postcodes }) {
  const entries = Object.entries(municipalities).map(([code, name]) => ({ code, name, key: plain(name) }));
  for (const [name, code] of names) {
    entries.push({ code, name, key: plain(name), within: municipalities[code] });
  }
  return { entries, postcodes, municipalities };
}

/** The likeliest first: the whole name, the beginning of it, the beginning of a word in it. */
function search({ entries, postcodes, municipalities }, text) {
  const number = text.trim().match(/^([1-9]\d{3})( ?[a-z]{0,2})$/i);
  if (number) {
    const run = postcodes.find(([first, last]) => first <= Number(number[1]) && Number(number[1]) <= last);
    return run ? [{ code: run[2], name: municipalities[run[2]] }] : [];
  }
  const wanted = plain(text);
  if (wanted.length < 2) return [];
  const rank = ({ key }) => {
    if (key === wanted) return 0;
    if (key.startsWith(wanted)) return 1;
    return key.replaceAll("-", " ").includes(` ${wanted}`) ? 2 : 3;
  };
  return entries
    .map((entry, order) => ({ entry, order, rank: rank(entry) }))
    .filter((one) => one.rank < 3)
    .sort((one, other) => one.rank - other.rank || one.order - other.order)
    .slice(0, MOST)
    .map((one) => one.entry);
}

class PlaceField {
  #data = null;
  #asked = null;
  #active = -1;
  #found = [];

  constructor(box) {
    this.box = box;
    this.input = box.querySelector("input[type=text]");
    this.seen = box.querySelector("input[name$=_seen]");
    this.code = this.input.name.replace(/_text$/, "");
    this.list = document.createElement("ul");
    Object.assign(this.list, { id: `${this.input.id}-list`, className: "place-list", hidden: true });
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", box.querySelector("label").textContent);
    this.status = document.createElement("p");
    this.status.className = "visually-hidden";
    this.status.setAttribute("role", "status");
    this.input.after(this.list, this.status);
    for (const [name, value] of [
      ["role", "combobox"],
      ["aria-expanded", "false"],
      ["aria-autocomplete", "list"],
      ["aria-controls", this.list.id],
    ]) {
      this.input.setAttribute(name, value);
    }
    this.input.addEventListener("focus", () => this.#load());
    this.input.addEventListener("input", () => this.#typed());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.input.addEventListener("blur", () => this.#close());
    // Keeps the focus in the field, so that choosing with a pointer does not close the list first.
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.#choose([...this.list.children].indexOf(option));
    });
  }

  async #load() {
    this.#asked ??= fetch(this.box.dataset.places).then((response) => {
      if (!response.ok) throw new Error("no list");
      return response.json();
    });
    try {
      this.#data ??= index(await this.#asked);
    } catch {
      this.#asked = null; // the plain field works too
    }
  }

  async #typed() {
    // What was chosen belongs to other words than these.
    this.box.querySelector("[data-chosen]")?.remove();
    for (const radio of this.box.querySelectorAll("input[type=radio]")) radio.checked = false;
    await this.#load();
    if (!this.#data || document.activeElement !== this.input) return;
    this.#found = search(this.#data, this.input.value);
    this.#draw();
    this.status.textContent = this.#announcement();
  }

  #announcement() {
    const { foundOne, found, none } = this.box.dataset;
    if (this.input.value.trim().length < 2) return "";
    if (this.#found.length === 1) return foundOne;
    return this.#found.length ? found.replace("{n}", this.#found.length) : none;
  }

  #draw() {
    this.#active = -1;
    this.input.removeAttribute("aria-activedescendant");
    this.list.replaceChildren(
      ...this.#found.map((one, number) => {
        const option = document.createElement("li");
        option.id = `${this.list.id}-${number}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
        option.textContent = this.#label(one);
        return option;
      }),
    );
    this.list.hidden = this.#found.length === 0;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
  }

  #label({ name, within }) {
    if (!within) return name;
    return this.box.dataset.place.replace("{place}", name).replace("{municipality}", within);
  }

  #key(event) {
    if (event.key === "Escape" && !this.list.hidden) {
      event.preventDefault();
      this.#close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (this.list.hidden && this.#found.length) this.#draw();
      if (this.list.hidden) return;
      event.preventDefault();
      this.#move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && !this.list.hidden && this.#active >= 0) {
      event.preventDefault();
      this.#choose(this.#active);
    }
  }

  #move(by) {
    const options = [...this.list.children];
    options[this.#active]?.setAttribute("aria-selected", "false");
    this.#active = (this.#active + by + options.length + (this.#active < 0 && by < 0 ? 1 : 0)) % options.length;
    const option = options[this.#active];
    option.setAttribute("aria-selected", "true");
    this.input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  #choose(number) {
    const one = this.#found[number];
    if (!one) return;
    this.input.value = this.seen.value = this.#label(one);
    this.box.querySelector("[data-chosen]")?.remove();
    const chosen = document.createElement("input");
    Object.assign(chosen, { type: "hidden", name: this.code, value: one.code });
    chosen.dataset.chosen = "";
    this.seen.after(chosen);
    this.#close();
    this.status.textContent = this.input.value;
    // A script that sets a value tells nobody: triage/keep.js wants to know.
    this.input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  #close() {
    this.list.hidden = true;
    this.#active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}

for (const box of document.querySelectorAll(".place[data-places]")) new PlaceField(box);
