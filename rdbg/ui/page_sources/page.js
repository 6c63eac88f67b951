// The page of a run: where it stands, what can be asked, and moving in it.
import { Console } from "./console.js";
import { Events } from "./events.js";
import { Moment } from "./moment.js";
import { ask, listen, obey } from "./server.js";
import { Stretch } from "./stretch.js";
import { Tracks } from "./tracks.js";

const element = (id) => document.getElementById(id);
let state = null;

function tell(text, good = false) {
  const message = element("message");
  message.textContent = text;
  message.classList.toggle("good", good);
}

async function command(line) {
  element("command").textContent = `monitor ${line}`;
  tell("");
  try {
    const answer = await obey(line);
    const first = answer.said.split("\n")[0];
    // Arrivals are seen; what is said otherwise may be an error.
    if (/bookmark/.test(line)) tracks.name();
    if (first && !/^at icount/.test(first)) tell(first, /^bookmark '.*' set/.test(first));
  } catch (error) {
    tell(error.message);
  }
}

const go = (icount) => command(`goto ${icount}`);
const lines = new Console(go);
const events = new Events(go);
const moment = new Moment();
const stretch = new Stretch(() => reload());
const tracks = new Tracks(stretch, go, (data) => {
  events.show(data);
  const share = (100 * (Math.min(data.known, stretch.end) - stretch.start)) / (stretch.end - stretch.start);
  element("indexed").textContent = data.known >= stretch.end ? "" : `looked through: ${share.toFixed(0)}%`;
});

let waiting = null;
// Whoever turns the wheel asks once, where it comes to rest.
function reload() {
  const { from, to } = stretch;
  element("window").textContent = `icount ${from} to ${to} (${to - from} instructions)`;
  element("time").dataset.from = from;
  element("time").dataset.to = to;
  tracks.redraw();
  clearTimeout(waiting);
  waiting = setTimeout(() => tracks.load().catch((error) => tell(error.message)), 60);
}

function show(next) {
  const before = state;
  state = next;
  document.body.dataset.doing = state.doing;
  const share = state.end > state.start ? (100 * (state.position - state.start)) / (state.end - state.start) : 100;
  const doing = { stands: "stands", moves: "GDB moves it", runs: "runs" }[state.doing];
  element("state").textContent =
    `icount ${state.position} (${share.toFixed(2)}% of ${state.start}..${state.end}), ` +
    `${(state.virtual_ns / 1e9).toFixed(9)} s, pc ${state.pc}, ${doing}` +
    `${state.branch === "main" ? "" : `, branch '${state.branch}'`}${state.gdb ? ", GDB is connected" : ""}`;
  element("run").hidden = !state.live || state.gdb;
  element("run").textContent = state.doing === "runs" ? "Stop" : "Run";
  for (const id of ["back", "forward", "step", "step-back"]) element(id).disabled = state.doing === "moves";
  stretch.reach(state.start, state.end);
  tracks.stand(state.position);
  const moved = !before || before.position !== state.position || before.pc !== state.pc;
  const more = !before || before.version !== state.version || before.branch !== state.branch;
  if (moved || more) lines.follow(state.position).catch((error) => tell(error.message));
  if (more) reload();
  if (more || moved) tracks.name().then(showBranches).catch(() => {});  // while GDB moves it: there is another state behind that
  if (state.doing !== "moves" && (moved || before?.doing !== state.doing)) moment.load().catch(() => {});
}

function showBranches() {
  const { branches } = tracks.marks;
  const select = element("branch");
  element("branch-label").hidden = branches.length < 2;
  if (document.activeElement === select && branches.length === select.options.length) return;
  select.replaceChildren(...branches.map(({ name, parent, fork }) =>
    new Option(parent ? `${name} (from ${parent} at ${fork})` : name, name)));
  select.value = branches.find((branch) => branch.current)?.name ?? "main";
}

const keys = {
  b: () => command("back"),
  f: () => command("forward"),
  ",": () => command("goto -1"),
  ".": () => command("goto +1"),
  m: () => name(),
  "+": () => stretch.zoom(0.5, around()),
  "-": () => stretch.zoom(2, around()),
  "0": () => stretch.show(stretch.start, stretch.end),
  h: () => stretch.centre(state.position),
  ArrowLeft: () => stretch.pan(-0.25),
  ArrowRight: () => stretch.pan(0.25),
};

// Zooming goes to where the guest stands, if that is in sight.
function around() {
  const middle = (stretch.from + stretch.to) / 2;
  return state.position >= stretch.from && state.position <= stretch.to ? state.position : middle;
}

function name() {
  const wanted = window.prompt("Name of this position");
  if (wanted) command(`bookmark "${wanted.replaceAll('"', "")}"`);
}

element("back").onclick = keys.b;
element("forward").onclick = keys.f;
element("step-back").onclick = keys[","];
element("step").onclick = keys["."];
element("bookmark").onclick = keys.m;
element("branch").onchange = () => {
  element("branch").blur();
  command(`switch ${element("branch").value}`);
};
element("run").onclick = () => command(state.doing === "runs" ? "stop" : "cont");
element("zoom-in").onclick = keys["+"];
element("zoom-out").onclick = keys["-"];
element("whole").onclick = keys["0"];
element("centre").onclick = keys.h;
element("virtual").onchange = () => {
  stretch.virtual = element("virtual").checked;
  reload();
};
element("place-form").onsubmit = (event) => {
  event.preventDefault();
  const place = element("place").value.trim();
  if (place) command(`goto ${place}`);
};
element("command").onclick = async () => {
  try {
    await navigator.clipboard.writeText(element("command").textContent);
    tell("copied", true);
  } catch {
    tell("the browser lets nothing be copied here");
  }
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
  const does = keys[event.key];
  if (!does) return;
  event.preventDefault();
  does();
});

async function begin() {
  const about = await ask("about");
  document.title = `${about.title} - rdbg`;
  element("title").textContent = about.title;
  listen(show, () => { element("state").textContent = "rdbg does not answer"; });
}
begin();
