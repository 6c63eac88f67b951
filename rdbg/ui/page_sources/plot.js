// A plot along the stretch that is looked at: uPlot has the axes, the cursor and the selection; what is drawn is given.
import uPlot from "uplot";
import { colour } from "./colours.js";

export const LEFT = 90;
const RIGHT = 12;

export class Plot {
  // draws(canvas, box, x): box in canvas pixels; x(icount) is a place in it.
  constructor({ name, height, axis = false, stretch, go, draws, tells, position }) {
    this.stretch = stretch;
    this.draws = draws;
    this.position = position;
    this.root = document.createElement("div");
    this.root.className = "track";
    const title = document.createElement("span");
    title.className = "track-name";
    title.textContent = name;
    this.root.append(title);
    document.getElementById("tracks").append(this.root);
    const axes = [
      { show: axis, size: 26, stroke: () => colour("--faint"), grid: { show: false },
        ticks: { stroke: () => colour("--line"), size: 4 },
        values: (plot, places) => places.map((place) => stretch.label(place)), space: 110 },
      { show: false },
    ];
    this.u = new uPlot({
      width: 600,
      height: height + (axis ? 26 : 0),
      padding: [0, RIGHT, 0, LEFT],
      legend: { show: false },
      cursor: {
        y: false, sync: { key: "run", scales: ["x", null] }, points: { show: false },
        drag: { x: true, y: false, setScale: false, dist: 5 },
      },
      scales: { x: { time: false, auto: false, range: () => [stretch.x(stretch.from), stretch.x(stretch.to)] },
        y: { auto: false, range: [0, 1] } },
      axes,
      series: [{}, { show: false }],
      hooks: {
        draw: [(plot) => this.draw(plot)],
        setSelect: [(plot) => this.select(plot)],
        ready: [(plot) => this.listen(plot, go, tells)],
      },
    }, [[0, 1], [null, null]], this.root);
  }

  listen(plot, go, tells) {
    let at = 0;
    plot.over.addEventListener("mousedown", (event) => { at = event.clientX; });
    plot.over.addEventListener("click", (event) => {
      if (Math.abs(event.clientX - at) < 5 && event.button === 0) go(this.under(event), this.height(event));
    });
    plot.over.addEventListener("dblclick", () => this.stretch.zoom(0.25));
    plot.over.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.shiftKey || event.deltaX) this.stretch.pan(Math.sign(event.deltaY || event.deltaX) * 0.2);
      else this.stretch.zoom(event.deltaY > 0 ? 1.5 : 1 / 1.5, this.under(event));
    }, { passive: false });
    if (tells) {
      plot.over.addEventListener("mousemove", (event) => tells(this.under(event), this.height(event)));
      plot.over.addEventListener("mouseleave", () => tells(null, 0));
    }
  }

  under(event) {
    return this.stretch.icount(this.u.posToVal(event.offsetX, "x"));
  }

  height(event) {
    return event.offsetY / this.u.over.clientHeight;
  }

  select(plot) {
    const { left, width } = plot.select;
    if (width < 5) return;
    const [from, to] = [left, left + width].map((at) => this.stretch.icount(plot.posToVal(at, "x")));
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.stretch.show(from, to);
  }

  size(width) {
    if (this.u.width !== width) this.u.setSize({ width, height: this.u.height });
  }

  redraw() {
    this.u.setScale("x", { min: this.stretch.x(this.stretch.from), max: this.stretch.x(this.stretch.to) });
    this.u.redraw(false, true);
  }

  draw(plot) {
    const { ctx, bbox } = plot;
    const x = (icount) => plot.valToPos(this.stretch.x(icount), "x", true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.strokeStyle = colour("--line");
    ctx.stroke();
    ctx.clip();
    this.draws(ctx, bbox, x);
    const here = x(this.position());
    ctx.fillStyle = colour("--here");
    ctx.fillRect(here - devicePixelRatio, bbox.top, 2 * devicePixelRatio, bbox.height);
    ctx.restore();
    this.labels?.(ctx, bbox);
  }
}
