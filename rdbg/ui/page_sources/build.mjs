// Builds rdbg/ui/page: one script, one style sheet, and the licence of what is in them. `make page` calls it.
import { createHash } from "node:crypto";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.env.PAGE_OUT ?? join(here, "..", "page");
const own = readdirSync(here).filter((name) => /\.(js|mjs|css|html|json|svg)$/.test(name) && name !== "package-lock.json").sort();
const digest = createHash("sha256");
for (const name of own) digest.update(name + "\0").update(readFileSync(join(here, name))).update("\0");

await build({
  entryPoints: [join(here, "page.js"), join(here, "page.css")],
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["chrome110", "firefox110", "safari16"],
  legalComments: "none",
});
for (const name of ["index.html", "icon.svg"]) copyFileSync(join(here, name), join(out, name));
const licence = readFileSync(join(here, "node_modules", "uplot", "LICENSE"), "utf8");
writeFileSync(join(out, "uplot-licence.txt"), `page.js and page.css contain uPlot.\n\n${licence}`);
// Tests compare it with the sources: what is served is what they say.
writeFileSync(join(out, "built-from.txt"), digest.digest("hex") + "\n");
