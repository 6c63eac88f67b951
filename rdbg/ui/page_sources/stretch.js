// The stretch of the run that is looked at, in icounts, and how that lies on the horizontal axis: by instructions, or by
// virtual time, of which some places are known and those between two of them lie in proportion.

export class Stretch {
  constructor(changed) {
    this.changed = changed;
    this.start = 0;
    this.end = 1;
    this.from = 0;
    this.to = 1;
    this.whole = true;
    this.times = [];
    this.virtual = false;
  }

  // The run reaches from start to end.
  reach(start, end) {
    if (start === this.start && end === this.end) return;
    this.start = start;
    this.end = Math.max(end, start + 1);
    if (this.whole) this.show(this.start, this.end);
    else this.show(this.from, this.to);
  }

  show(from, to) {
    let [low, high] = [Math.floor(Math.min(from, to)), Math.ceil(Math.max(from, to))];
    const least = Math.min(16, this.end - this.start);
    if (high - low < least) {
      low = Math.floor((low + high - least) / 2);
      high = low + least;
    }
    const length = Math.min(high - low, this.end - this.start);
    low = Math.max(this.start, Math.min(low, this.end - length));
    this.from = low;
    this.to = low + length;
    this.whole = this.from === this.start && this.to === this.end;
    this.changed();
  }

  zoom(factor, around = (this.from + this.to) / 2) {
    this.show(around - (around - this.from) * factor, around + (this.to - around) * factor);
  }

  pan(share) {
    const by = Math.round((this.to - this.from) * share);
    const low = Math.max(this.start, Math.min(this.from + by, this.end - (this.to - this.from)));
    this.show(low, low + this.to - this.from);
  }

  centre(icount) {
    const half = Math.floor((this.to - this.from) / 2);
    this.show(icount - half, icount - half + (this.to - this.from));
  }

  // Where an icount lies on the axis, and the other way round.
  x(icount) {
    return this.virtual && this.times.length > 1 ? between(this.times, icount, 0, 1) : icount;
  }

  icount(x) {
    return Math.round(this.virtual && this.times.length > 1 ? between(this.times, x, 1, 0) : x);
  }

  // How a place on the axis is written.
  label(x) {
    return this.virtual && this.times.length > 1 ? time(x, this.x(this.to) - this.x(this.from)) : String(Math.round(x));
  }
}

function time(ns, span) {
  const [unit, size] = span > 2e9 ? ["s", 1e9] : span > 2e6 ? ["ms", 1e6] : span > 2e3 ? ["us", 1e3] : ["ns", 1];
  const digits = Math.max(0, Math.min(9, 3 - Math.floor(Math.log10(Math.max(span / size, 1e-9)))));
  return `${(ns / size).toFixed(size === 1 ? 0 : digits)} ${unit}`;
}

function between(pairs, value, given, wanted) {
  let [low, high] = [0, pairs.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (pairs[middle][given] <= value) low = middle;
    else high = middle;
  }
  const [before, behind] = [pairs[low], pairs[high]];
  const length = behind[given] - before[given];
  const share = length ? (value - before[given]) / length : 0;
  return before[wanted] + share * (behind[wanted] - before[wanted]);
}
