// What happened along the stretch that is looked at. All data are asked for as they are needed, in bins.
import { colour, kindColour, whenSchemeChanges } from "./colours.js";
import { LEFT, Plot } from "./plot.js";
import { ask } from "./server.js";

const MARKS = ["snapshots", "bookmarks", "branches", "inputs", "digests"];

export class Tracks {
  constructor(stretch, go, told) {
    this.stretch = stretch;
    this.told = told;
    this.here = 0;
    this.asked = 0;
    this.data = null;
    this.heat = null;
    this.calls = null;
    this.marks = { snapshots: [], bookmarks: [], branches: [] };
    const shared = { stretch, go, position: () => this.here };
    this.tip = document.createElement("div");
    this.tip.className = "track-tip";
    const tells = (make) => (icount, height) => {
      this.tip.textContent = icount === null ? "" : `icount ${icount}  ${make(icount, height) ?? ""}`;
    };
    this.plots = [
      new Plot({ ...shared, name: "", height: 84, axis: true, tells: tells((at) => this.nearest(at)?.text),
        draws: (...on) => this.drawMarks(...on), go: (icount) => go(this.nearest(icount)?.icount ?? icount) }),
      new Plot({ ...shared, name: "events", height: 80, tells: tells((at) => this.eventsAt(at)),
        draws: (...on) => this.drawEvents(...on) }),
      new Plot({ ...shared, name: "time", height: 26, tells: tells((at) => this.modeAt(at)),
        draws: (...on) => this.drawModes(...on) }),
      new Plot({ ...shared, name: "memory", height: 110, tells: tells((at, height) => this.addressAt(at, height)),
        draws: (...on) => this.drawHeat(...on) }),
      new Plot({ ...shared, name: "calls", height: 100, tells: tells((at, height) => this.callAt(at, height)?.[3]),
        draws: (...on) => this.drawCalls(...on),
        go: (icount, height) => go(this.callAt(icount, height)?.[1] ?? icount) }),
    ];
    document.getElementById("tracks").append(this.tip);
    this.labelMarks();
    this.labelHeat();
    const resized = () => this.size();
    new ResizeObserver(resized).observe(document.getElementById("tracks"));
    whenSchemeChanges(() => this.redraw());
    this.size();
  }

  size() {
    const width = document.getElementById("tracks").clientWidth;
    if (width > LEFT + 50) for (const plot of this.plots) plot.size(width);
    this.redraw();
  }

  redraw() {
    for (const plot of this.plots) plot.redraw();
  }

  stand(icount) {
    this.here = icount;
    this.redraw();
  }

  async name() {
    this.marks = await ask("marks");
    this.redraw();
  }

  // The stretch has changed, or more of it is known.
  async load() {
    this.redraw();
    const number = ++this.asked;
    const { from, to } = this.stretch;
    const bins = Math.min(1000, Math.max(100, this.plots[0].u.over.clientWidth));
    const data = await ask("tracks", { from, to, bins });
    if (number !== this.asked) return;
    this.data = data;
    this.stretch.times = data.times;
    this.told(data);
    this.redraw();
    const heat = await ask("heat", { from, to, columns: 300 });
    if (number !== this.asked) return;
    this.heat = { ...heat, ...Object.fromEntries(["written", "executed"].map((kind) => [kind, bytes(heat[kind])])) };
    this.redraw();
    const calls = await ask("calls", { from, to });
    if (number !== this.asked) return;
    this.calls = { ...calls, from, to };
    this.redraw();
    document.getElementById("time").dataset.shown = `${from}-${to}`;
    if (data.known < to || !data.complete) {
      clearTimeout(this.later);
      this.later = setTimeout(() => this.load(), 400);
    }
  }

  bin(at) {
    return this.data.from + (at * (this.data.to - this.data.from)) / this.data.bins;
  }

  binOf(icount) {
    return Math.floor(((icount - this.data.from) * this.data.bins) / (this.data.to - this.data.from));
  }

  // --- marks ---------------------------------------------------------------------------------
  labelMarks() {
    this.plots[0].labels = (ctx, box) => {
      ctx.fillStyle = colour("--faint");
      ctx.textAlign = "right";
      ctx.textBaseline = "middle";
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      MARKS.forEach((name, lane) => {
        ctx.fillText(name, box.left - 6 * devicePixelRatio, box.top + ((lane + 0.5) * box.height) / MARKS.length);
      });
    };
  }

  named() {
    return [
      ...this.marks.snapshots.map(({ name, icount }) => ({ icount, text: `snapshot '${name}'`, lane: 0, name })),
      ...this.marks.bookmarks.map(({ name, icount }) => ({ icount, text: `bookmark '${name}'`, lane: 1, name })),
      ...this.marks.branches.filter((branch) => branch.parent)
        .map(({ name, fork }) => ({ icount: fork, text: `branch '${name}' leaves here`, lane: 2, name })),
    ];
  }

  nearest(icount) {
    const reach = (this.stretch.to - this.stretch.from) / 100;
    const near = this.named().filter((mark) => Math.abs(mark.icount - icount) <= reach);
    near.sort((a, b) => Math.abs(a.icount - icount) - Math.abs(b.icount - icount));
    return near[0];
  }

  drawMarks(ctx, box, x) {
    const lane = box.height / MARKS.length;
    ctx.font = `${10 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "left";
    for (const mark of this.named()) {
      const [at, y] = [x(mark.icount), box.top + (mark.lane + 0.5) * lane];
      ctx.fillStyle = colour(["--good", "--accent", "--violet"][mark.lane]);
      ctx.beginPath();
      ctx.arc(at, y, lane * 0.3, 0, 7);
      ctx.fill();
      ctx.fillText(mark.name, at + lane * 0.45, y);
    }
    if (!this.data) return;
    const kinds = Object.keys(this.data.inputs);
    for (const kind of kinds) {
      ctx.fillStyle = kindColour(kinds, kind);
      this.ticks(ctx, x, this.data.inputs[kind], box.top + 3 * lane, lane);
    }
    ctx.fillStyle = colour("--faint");
    this.ticks(ctx, x, this.data.digests, box.top + 4 * lane, lane);
  }

  ticks(ctx, x, counts, top, height) {
    for (const [at] of counts) {
      const left = x(this.bin(at));
      ctx.fillRect(left, top + 2, Math.max(1.5 * devicePixelRatio, x(this.bin(at + 1)) - left), height - 4);
    }
  }

  // --- exceptions and interrupts -------------------------------------------------------------
  drawEvents(ctx, box, x) {
    if (!this.data) return;
    const kinds = Object.keys(this.data.events);
    const most = Math.max(1, ...kinds.flatMap((kind) => this.data.events[kind].map(([, count]) => count)));
    const heights = new Map();
    // What happened once in a bin is still seen beside what happened a thousand times.
    const scale = (count) => (Math.log1p(count) / Math.log1p(most)) * box.height * (kinds.length > 1 ? 0.6 : 0.9);
    kinds.forEach((kind) => {
      ctx.fillStyle = kindColour(kinds, kind);
      for (const [at, count] of this.data.events[kind]) {
        const [left, base] = [x(this.bin(at)), heights.get(at) ?? 0];
        const height = scale(count);
        ctx.fillRect(left, box.top + box.height - base - height,
          Math.max(1.5 * devicePixelRatio, x(this.bin(at + 1)) - left), height);
        heights.set(at, base + height);
      }
    });
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    let left = box.left + 6 * devicePixelRatio;
    for (const kind of kinds) {
      ctx.fillStyle = kindColour(kinds, kind);
      ctx.fillText(kind, left, box.top + 3 * devicePixelRatio);
      left += ctx.measureText(kind).width + 12 * devicePixelRatio;
    }
  }

  eventsAt(icount) {
    if (!this.data) return "";
    const at = this.binOf(icount);
    const said = [];
    for (const [kind, counts] of [...Object.entries(this.data.events), ...Object.entries(this.data.inputs)]) {
      const found = counts.find(([bin]) => bin === at);
      if (found) said.push(`${found[1]} ${kind}`);
    }
    return said.join(", ");
  }

  // --- user, system, idle --------------------------------------------------------------------
  drawModes(ctx, box, x) {
    const shares = this.data?.modes.shares ?? [];
    const colours = [colour("--good"), colour("--accent"), colour("--line")];
    shares.forEach(([at, ...parts], n) => {
      const left = Math.round(x(this.bin(at)));
      const right = Math.round(x(this.bin(n + 1 < shares.length ? shares[n + 1][0] : this.data.bins)));
      let top = box.top + box.height;
      parts.forEach((part, which) => {
        ctx.fillStyle = colours[which];
        ctx.fillRect(left, top - part * box.height, Math.max(1, right - left), part * box.height);
        top -= part * box.height;
      });
    });
  }

  modeAt(icount) {
    if (!this.data) return "";
    const at = this.binOf(icount);
    const share = this.data.modes.shares.filter(([bin]) => bin <= at).at(-1);
    if (!share) return "not looked at yet";
    const [user, system, idle] = share.slice(1).map((part) => `${(100 * part).toFixed(0)}%`);
    return `user ${user}, system ${system}, idle ${idle} of the time (looked at every ` +
      `${Math.round(this.data.modes.every)} instructions)`;
  }

  // --- memory --------------------------------------------------------------------------------
  labelHeat() {
    this.plots[3].labels = (ctx, box) => {
      if (!this.heat?.rows.length) return;
      ctx.fillStyle = colour("--faint");
      ctx.textAlign = "right";
      ctx.font = `${10 * devicePixelRatio}px ui-monospace, monospace`;
      const rows = this.heat.rows;
      const step = Math.max(1, Math.ceil((rows.length * 13 * devicePixelRatio) / box.height));
      ctx.textBaseline = "middle";
      for (let row = 0; row < rows.length; row += step) {
        const y = box.top + box.height - ((row + 0.5) * box.height) / rows.length;
        if (y > box.top + 14 * devicePixelRatio) {
          ctx.fillText(rows[row][0].toString(16).padStart(8, "0"), box.left - 6 * devicePixelRatio, y);
        }
      }
    };
  }

  drawHeat(ctx, box, x) {
    if (!this.heat) return;
    const { rows, columns, from, to, written, executed } = this.heat;
    const [w, e] = [colour("--heat-written"), colour("--heat-executed")];
    const height = box.height / rows.length;
    for (let column = 0; column < columns; column++) {
      const left = Math.round(x(from + (column * (to - from)) / columns));
      const width = Math.max(1, Math.round(x(from + ((column + 1) * (to - from)) / columns)) - left);
      for (let row = 0; row < rows.length; row++) {
        const [a, b] = [written[row * columns + column], executed[row * columns + column]];
        if (!a && !b) continue;
        const top = Math.round(box.top + box.height - (row + 1) * height);
        if (b) {
          ctx.fillStyle = `rgb(${e} / ${strength(b)})`;
          ctx.fillRect(left, top, width, Math.max(1, height));
        }
        if (a) {
          ctx.fillStyle = `rgb(${w} / ${strength(a)})`;
          ctx.fillRect(left, top, width, Math.max(1, b ? height / 2 : height));
        }
      }
    }
  }

  addressAt(icount, height) {
    if (!this.heat?.rows.length) return "nothing is known of memory here yet";
    const { rows, columns, from, to, written, executed } = this.heat;
    const row = Math.min(rows.length - 1, Math.max(0, Math.floor((1 - height) * rows.length)));
    const cell = row * columns + Math.min(columns - 1, Math.floor(((icount - from) * columns) / (to - from)));
    const [first, last] = rows[row].map((address) => address.toString(16).padStart(8, "0"));
    const does = [written[cell] && "written", executed[cell] && "executed"].filter(Boolean).join(" and ");
    return `${first}-${last} ${does || "not touched"}`;
  }

  // --- calls ---------------------------------------------------------------------------------
  drawCalls(ctx, box, x) {
    ctx.textBaseline = "middle";
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    if (!this.calls?.spans) {
      ctx.fillStyle = colour("--faint");
      ctx.textAlign = "left";
      if (this.calls) {
        ctx.fillText(`zoom in to ${this.calls.most} instructions to see calls`, box.left + 8 * devicePixelRatio,
          box.top + box.height / 2);
      }
      return;
    }
    const height = this.spanHeight(box.height);
    const names = [...new Set(this.calls.spans.map((span) => span[3]))];
    for (const [depth, start, end, name] of this.calls.spans) {
      const [left, right, top] = [x(start), x(end), box.top + depth * height];
      ctx.fillStyle = kindColour(names, name);
      ctx.globalAlpha = 0.85;
      ctx.fillRect(left, top, Math.max(1, right - left - 1), height - 1);
      ctx.globalAlpha = 1;
      const shown = Math.max(left, box.left) + 3 * devicePixelRatio;
      if (right - shown > 30 * devicePixelRatio && height > 9 * devicePixelRatio) {
        ctx.save();
        ctx.beginPath();
        ctx.rect(left, top, right - left - 2, height);
        ctx.clip();
        ctx.fillStyle = colour("--panel");
        ctx.textAlign = "left";
        ctx.fillText(name, shown, top + height / 2);
        ctx.restore();
      }
    }
  }

  spanHeight(room) {
    const deepest = Math.max(4, ...this.calls.spans.map((span) => span[0] + 1));
    return Math.min(18 * devicePixelRatio, room / deepest);
  }

  callAt(icount, height) {
    if (!this.calls?.spans) return null;
    const room = this.plots[4].u.bbox.height;
    const depth = Math.floor((height * room) / this.spanHeight(room));
    return this.calls.spans.find((span) => span[0] === depth && span[1] <= icount && icount < span[2]) ?? null;
  }
}

function strength(count) {
  return (0.35 + 0.65 * Math.min(1, Math.log2(1 + count) / 5)).toFixed(2);
}

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
