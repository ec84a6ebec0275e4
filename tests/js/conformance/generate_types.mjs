// Generates TypeScript from a schema and the operations here, as the client preset of graphql-codegen does.
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codegen } from '@graphql-codegen/core'
import { preset } from '@graphql-codegen/client-preset'
import { buildSchema, parse } from 'graphql'

const [schemaFile, folder] = process.argv.slice(2)
const operations = new URL('operations/', import.meta.url)
const schemaText = await readFile(schemaFile, 'utf8')
const documents = await Promise.all(
  (await readdir(operations)).sort().map(async (name) => {
    const text = await readFile(new URL(name, operations), 'utf8')
    return { location: name, document: parse(text), rawSDL: text }
  }),
)

const outputs = await preset.buildGeneratesSection({
  baseOutputDir: `${join(folder, 'gql')}/`,
  schema: parse(schemaText),
  schemaAst: buildSchema(schemaText, { assumeValidSDL: true }),
  documents,
  config: { scalars: { DateTime: 'string' }, strictScalars: false },
  plugins: [],
  pluginMap: {},
  pluginContext: {},
  presetConfig: { fragmentMasking: false },
})
for (const output of outputs) {
  await mkdir(dirname(output.filename), { recursive: true })
  await writeFile(output.filename, await codegen(output))
}
console.log(JSON.stringify(outputs.map(({ filename }) => filename)))
