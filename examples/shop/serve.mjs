// Bundles shop.js and serves the page on this machine; the three settings become part of the bundle.
import { context } from 'esbuild'

const { SUPABASE_URL, SUPABASE_ANON_KEY, GRAPHQL_URL, PORT } = process.env
if (!SUPABASE_ANON_KEY) {
  console.error('Set SUPABASE_ANON_KEY to the key that `make up` printed.')
  process.exit(1)
}
const bundle = await context({
  entryPoints: ['shop.js'],
  outfile: 'bundle.js', // in memory only
  write: false,
  bundle: true, format: 'esm',
  define: {
    SUPABASE_URL: JSON.stringify(SUPABASE_URL ?? 'http://localhost:4011'),
    SUPABASE_ANON_KEY: JSON.stringify(SUPABASE_ANON_KEY),
    GRAPHQL_URL: JSON.stringify(GRAPHQL_URL ?? 'http://localhost:4000/graphql'),
  },
})
const { port } = await bundle.serve({ servedir: '.', host: '127.0.0.1', port: Number(PORT ?? 5173) })
console.log(`http://localhost:${port}`)
