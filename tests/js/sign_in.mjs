// Signs up, in, refreshes and out with the real client; prints what it saw as one line of JSON.
import { createClient } from '@supabase/supabase-js'
import ws from 'ws'

const [url, anonKey, serviceRoleKey] = process.argv.slice(2)
const options = {
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: { transport: ws }, // the client insists on one, and Node 20 has none of its own
}
const client = createClient(url, anonKey, options)
const admin = createClient(url, serviceRoleKey, options)
const ada = { email: 'ada@example.com', password: 'correct horse' }

function ok({ data, error }) {
  if (error) throw error
  return data
}

const signedUp = ok(await client.auth.signUp({ ...ada, options: { data: { name: 'Ada' } } }))
const twice = await client.auth.signUp(ada)
const weak = await client.auth.signUp({ email: 'eve@example.com', password: 'short' })
const wrong = await client.auth.signInWithPassword({ ...ada, password: 'wrong horse' })
const signedIn = ok(await client.auth.signInWithPassword(ada))
const claims = ok(await client.auth.getClaims())
const refreshed = ok(await client.auth.refreshSession())
const user = ok(await client.auth.getUser())
const updated = ok(await client.auth.updateUser({ data: { name: 'Countess' } }))
const made = ok(
  await admin.auth.admin.createUser({
    email: 'root@example.com',
    password: ada.password,
    email_confirm: true,
    app_metadata: { role: 'admin' },
  }),
)
const listed = ok(await admin.auth.admin.listUsers({ page: 1, perPage: 1 }))
const notAllowed = await client.auth.admin.listUsers()
ok(await client.auth.signOut())
const gone = await client.auth.getUser(refreshed.session.access_token)
const anonymous = ok(await client.auth.signInAnonymously())

console.log(
  JSON.stringify({
    signedUp: signedUp.session.user.user_metadata.name,
    twice: twice.error?.code,
    weak: [weak.error?.name, weak.error?.reasons],
    wrong: [wrong.error?.status, wrong.error?.code],
    claims: claims.claims,
    algorithm: claims.header.alg,
    rotated: refreshed.session.refresh_token !== signedIn.session.refresh_token,
    sameUser: user.user.id === signedUp.user.id,
    updated: updated.user.user_metadata.name,
    made: made.user.app_metadata.role,
    listed: [listed.total, listed.nextPage, listed.lastPage, listed.users.map((one) => one.email)],
    notAllowed: notAllowed.error?.code,
    gone: gone.error?.name,
    anonymous: anonymous.user.is_anonymous,
    accessToken: refreshed.session.access_token,
  }),
)
