// The console: as many lines as are in sight, each with the place at which it was printed.
import { ask } from "./server.js";

const HEIGHT = 18;
const MARGIN = 50;
// Browsers lay out so many pixels; of longer consoles a part is shown, around what is looked at.
const MOST = 400000;

export class Console {
  constructor(go) {
    this.go = go;
    this.scroll = document.getElementById("console-scroll");
    this.list = document.getElementById("lines");
    this.choice = document.getElementById("console-choice");
    this.total = 0;
    this.base = 0;
    this.console = 0;
    this.asked = 0;
    this.position = 0;
    this.chosen = -1;
    this.rows = new Map();
    this.scroll.addEventListener("scroll", () => this.load());
    this.list.addEventListener("click", (event) => {
      const row = event.target.closest("li");
      if (row) this.choose(Number(row.dataset.number), true);
    });
    this.scroll.addEventListener("keydown", (event) => this.key(event));
    this.choice.addEventListener("change", () => {
      this.console = Number(this.choice.value);
      this.follow(this.position);
    });
  }

  // Show the line that is being printed at a position.
  async follow(position) {
    this.position = position;
    const answer = await this.fetch(null);
    if (!answer) return;
    const room = Math.floor(this.scroll.clientHeight / HEIGHT);
    const top = this.scroll.scrollTop / HEIGHT + this.base;
    if (answer.here < top || answer.here >= top + room - 1) {
      const first = Math.max(0, answer.here - Math.floor(room / 2));
      this.base = this.total > MOST ? Math.max(0, Math.min(first - MOST / 2, this.total - MOST)) : 0;
      this.resize();
      this.scroll.scrollTop = (first - this.base) * HEIGHT;
    }
    this.show(answer);
    this.load();
  }

  load() {
    const first = Math.floor(this.scroll.scrollTop / HEIGHT) + this.base - MARGIN;
    return this.fetch(Math.max(0, first)).then((answer) => answer && this.show(answer));
  }

  async fetch(first) {
    const number = ++this.asked;
    const count = Math.ceil(this.scroll.clientHeight / HEIGHT) + 2 * MARGIN;
    const answer = await ask("console", { console: this.console, first, count, at: this.position });
    if (number !== this.asked && first !== null) return null;
    this.total = answer.total;
    this.here = answer.here;
    this.resize();
    this.choice.hidden = answer.consoles.length < 2;
    if (this.choice.options.length !== answer.consoles.length) {
      this.choice.replaceChildren(...answer.consoles.map((name, at) => new Option(name, at)));
    }
    document.getElementById("console-state").textContent =
      `${answer.total} lines${answer.complete ? "" : ", more to come while the run is looked through"}`;
    return answer;
  }

  resize() {
    this.list.style.height = `${Math.min(this.total, MOST) * HEIGHT}px`;
  }

  show(answer) {
    const shown = new Map();
    for (const [number, icount, text] of answer.lines) {
      // What is in sight stays there: somebody may be about to click on it.
      const row = this.rows.get(number) ?? document.createElement("li");
      if (row.textContent !== text) row.textContent = text;
      row.dataset.icount = icount;
      row.dataset.number = number;
      row.style.top = `${(number - this.base) * HEIGHT}px`;
      row.classList.toggle("here", number === answer.here);
      row.classList.toggle("chosen", number === this.chosen);
      shown.set(number, row);
      if (!row.isConnected) this.list.append(row);
    }
    for (const [number, row] of this.rows) if (!shown.has(number)) row.remove();
    this.rows = shown;
  }

  choose(number, going) {
    const row = this.rows.get(number);
    if (!row) return;
    this.rows.get(this.chosen)?.classList.remove("chosen");
    this.chosen = number;
    row.classList.add("chosen");
    const top = (number - this.base) * HEIGHT;
    if (top < this.scroll.scrollTop) this.scroll.scrollTop = top;
    const bottom = top + 2 * HEIGHT - this.scroll.clientHeight;
    if (bottom > this.scroll.scrollTop) this.scroll.scrollTop = bottom;
    if (going) this.go(Number(row.dataset.icount));
  }

  key(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 };
    if (event.key in moves) {
      const from = this.chosen >= 0 && this.rows.has(this.chosen) ? this.chosen : Math.max(0, this.here ?? 0);
      this.choose(Math.max(0, Math.min(this.total - 1, from + moves[event.key])), false);
    } else if (event.key === "Enter") {
      this.choose(this.chosen, true);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
