// Exceptions, interrupts and inputs of the stretch that is looked at, one by one where they are few.

export class Events {
  constructor(go) {
    this.go = go;
    this.body = document.getElementById("event-rows").tBodies[0];
    this.box = this.body.closest(".scroll");
    this.box.tabIndex = 0;
    this.chosen = -1;
    this.known = "";
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest("tr");
      if (row) this.choose([...this.body.rows].indexOf(row), true);
    });
    this.box.addEventListener("keydown", (event) => this.key(event));
  }

  show(data) {
    const state = document.getElementById("events-state");
    const known = JSON.stringify(data.rows);
    if (data.rows === null) {
      state.textContent = `${data.count}: zoom in to see them one by one`;
    } else {
      state.textContent = data.known < data.to ? `${data.rows.length} so far` : String(data.rows.length);
    }
    if (known === this.known) return;
    this.known = known;
    this.chosen = -1;
    this.body.replaceChildren(...(data.rows ?? []).map(([icount, kind, text]) => {
      const row = document.createElement("tr");
      row.dataset.icount = icount;
      for (const each of [icount, kind, text]) {
        const cell = document.createElement("td");
        cell.textContent = each;
        row.append(cell);
      }
      row.cells[0].className = "number";
      return row;
    }));
  }

  choose(number, going) {
    const row = this.body.rows[number];
    if (!row) return;
    this.body.rows[this.chosen]?.classList.remove("chosen");
    this.chosen = number;
    row.classList.add("chosen");
    row.scrollIntoView({ block: "nearest" });
    if (going) this.go(Number(row.dataset.icount));
  }

  key(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) this.choose(Math.max(0, this.chosen + moves[event.key]), false);
    else if (event.key === "Enter") this.choose(this.chosen, true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
