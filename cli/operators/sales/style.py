"""The style sheet of the page: for light and dark screens, and for paper."""

STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1b1f24; --quiet: #57606a; --rule: #d0d7de;
  --soft: #f6f8fa; --net: #2463ab; --margin: #bf6c0a; --loss: #b3261e; }
@media screen and (prefers-color-scheme: dark) {
  :root { --page: #14181d; --ink: #e6e9ed; --quiet: #9aa5b1; --rule: #3a434d; --soft: #1c2229;
    --net: #7db4f2; --margin: #f0b45c; --loss: #ff9288; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; }
h2 { margin: 2.75rem 0 .75rem; padding-bottom: .3rem; border-bottom: 2px solid var(--ink);
  font-size: 1.4rem; }
h3 { margin: 2rem 0 0; font-size: 1.1rem; }
p { margin: .4rem 0; max-width: 46rem; }
.quiet, footer { color: var(--quiet); }
.note { border-left: 4px solid var(--margin); background: var(--soft); padding: .5rem .8rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .75rem 0 0; padding: 0;
  list-style: none; }
a { color: var(--net); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem;
  margin: 1rem 0; }
.tiles div { background: var(--soft); border: 1px solid var(--rule); border-radius: .4rem;
  padding: .6rem .8rem; }
.tiles dt { color: var(--quiet); font-size: .85rem; }
.tiles dd { margin: 0; }
.tiles .value { font-size: 1.3rem; font-weight: 600; overflow-wrap: anywhere; }
.tiles .change { color: var(--quiet); font-size: .8rem; }
figure { margin: 1rem 0; }
figcaption { display: flex; flex-wrap: wrap; gap: .1rem 1.25rem; margin-bottom: .3rem; }
figcaption strong { flex-basis: 100%; }
.key { display: inline-flex; align-items: center; gap: .4rem; font-size: .85rem; }
.key svg { width: .8rem; height: .8rem; }
figure .scroll svg { display: block; width: 100%; min-width: 38rem; height: auto; }
text.axis { font-size: 11.5px; fill: var(--quiet); font-variant-numeric: tabular-nums; }
.grid { stroke: var(--rule); } .zero { stroke: var(--ink); vector-effect: non-scaling-stroke; }
.net { fill: var(--net); } .margin { fill: var(--margin); } .loss { fill: var(--loss); }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding: 0 0 .4rem; }
th, td { padding: .3rem .5rem; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: top;
  white-space: nowrap; }
th { font-weight: 600; } thead th, thead td { border-bottom: 2px solid var(--rule);
  vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere;
  min-width: 8rem; padding-left: 0; }
tbody th { font-weight: 400; }
tr.sum th, tr.sum td { font-weight: 600; border-bottom: 2px solid var(--rule); }
.negative { color: var(--loss); }
td.drawn { width: 18%; min-width: 6rem; }
svg.bar { display: block; width: 100%; height: .9rem; margin-top: .25rem; }
footer { margin-top: 3rem; border-top: 1px solid var(--rule); padding-top: 1rem; font-size: .85rem; }
footer dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: .5rem 0; }
footer dt { font-weight: 600; } footer dd { margin: 0; }
@page { size: A4; margin: 14mm 12mm; }
@media print {
  body { font-size: 10pt; } main { max-width: none; padding: 0; } nav { display: none; }
  .tiles { grid-template-columns: repeat(5, 1fr); gap: 2mm; } .tiles .value { font-size: 11pt; }
  table { font-size: 8pt; } th, td { padding: .8mm 1.2mm; } .scroll { overflow: visible; }
  section + section { break-before: page; } h2, h3, caption { break-after: avoid; }
  figure .scroll svg { min-width: 0; }
  figure, tr, .tiles, .scroll, footer { break-inside: avoid; } thead { display: table-header-group; }
  .note, .tiles div, rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
