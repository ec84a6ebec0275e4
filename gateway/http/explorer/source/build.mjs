// Bundles the explorer into the folder of its first argument, by default ../assets, and nothing else stays there.
import { build } from "esbuild";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const here = import.meta.dirname;
const outdir = resolve(process.argv[2] ?? join(here, "..", "assets"));
rmSync(outdir, { recursive: true, force: true });
mkdirSync(outdir, { recursive: true });

const built = await build({
  absWorkingDir: here,
  entryPoints: ["explorer.jsx"],
  entryNames: "[name]-[hash]",
  outdir,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".woff2": "dataurl" },
  legalComments: "none", // the licences are in LICENSES.txt, whole
  logLevel: "warning",
  metafile: true,
});

const packages = new Set();
for (const path of Object.keys(built.metafile.inputs)) {
  const found = /^(?:.*\/)?(node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path);
  if (found) packages.add(found[1]);
}
const texts = [...packages].sort().map((folder) => {
  const about = JSON.parse(readFileSync(join(here, folder, "package.json"), "utf8"));
  const file = readdirSync(join(here, folder)).find((name) => /^licen[cs]e/i.test(name));
  const text = file ? readFileSync(join(here, folder, file), "utf8").trim() : "(its package holds no text)";
  return `${about.name} ${about.version}, ${about.license}\n\n${text}\n`;
});
writeFileSync(join(outdir, "LICENSES.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));
