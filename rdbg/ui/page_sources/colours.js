// The colours of the style sheet, for what is drawn on a canvas.
const KINDS = ["--accent", "--warm", "--good", "--violet", "--teal", "--here", "--faint"];

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// One for each of some names, the same each time.
export function kindColour(names, name) {
  return colour(KINDS[names.indexOf(name) % KINDS.length]);
}

export function whenSchemeChanges(does) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", does);
}
