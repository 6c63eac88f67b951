// The side pane: registers, code, source line and calls of where the guest stands.
import { ask } from "./server.js";

const element = (id) => document.getElementById(id);

function cells(...texts) {
  const row = document.createElement("tr");
  for (const text of texts) {
    const cell = document.createElement("td");
    cell.textContent = text;
    row.append(cell);
  }
  return row;
}

export class Moment {
  constructor() {
    this.asked = 0;
    this.before = new Map();
  }

  async load() {
    const number = ++this.asked;
    const moment = await ask("moment");
    if (number === this.asked) this.show(moment);
  }

  show(moment) {
    element("moment-icount").textContent = `icount ${moment.icount}`;
    element("moment-pc").textContent = `pc ${moment.pc}`;
    const at = moment.source ? `${moment.source.file}:${moment.source.line}` : "no source line is known";
    element("moment-source").textContent = moment.function ? `${moment.function}, ${at}` : at;
    element("source-lines").replaceChildren(...moment.text.map(([line, text]) => {
      const row = document.createElement(line === moment.source.line ? "b" : "span");
      row.textContent = `${String(line).padStart(4)} ${text}\n`;
      return row;
    }));
    element("backtrace").replaceChildren(...moment.frames.map(({ pc, function: name, source }) => {
      const row = document.createElement("li");
      row.textContent = `${name || pc}${source ? ` at ${source}` : name ? ` (${pc})` : ""}`;
      return row;
    }));
    element("disassembly").tBodies[0].replaceChildren(...moment.code.map(([address, , text, place, here]) => {
      const row = cells(address, text, place);
      row.classList.toggle("here", here);
      return row;
    }));
    this.registers(moment.registers);
  }

  registers(registers) {
    const shown = registers.filter(([, , group]) => group !== "system" && group !== "float");
    const rest = registers.filter(([, , group]) => group === "system");
    const all = [...shown, ...rest];
    const rows = [];
    for (let at = 0; at < all.length; at += 2) {
      const row = document.createElement("tr");
      for (const [name, value] of all.slice(at, at + 2)) {
        const [label, number] = [document.createElement("td"), document.createElement("td")];
        label.textContent = name;
        number.textContent = value;
        number.dataset.register = name;
        // What the last movement has changed is seen at once.
        number.classList.toggle("changed", this.before.has(name) && this.before.get(name) !== value);
        row.append(label, number);
      }
      rows.push(row);
    }
    element("registers").tBodies[0].replaceChildren(...rows);
    this.before = new Map(all.map(([name, value]) => [name, value]));
  }
}
