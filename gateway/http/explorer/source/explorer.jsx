// GraphiQL for this gateway: signing in, queries by POST, subscriptions over the WebSocket of the same address.
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { setNonce } from "get-nonce";
import { GraphiQL } from "graphiql";
import { parse } from "graphql";
import { createClient } from "graphql-ws";
import { useMemo, useState } from "react";
import { createRoot } from "react-dom/client";

import "graphiql/style.css";
import "./explorer.css";

const root = document.getElementById("explorer");
const { nonce } = document.currentScript;
const { supabaseUrl, anonKey, local } = root.dataset;
const PATH = "/graphql";
const QUERY = `# Ctrl-Enter runs this query.
# Sign in above to read orders and eSIMs.
{
  featuredPlans(first: 5) {
    name
    price
    currency
  }
}
`;
// An account of the local auth emulator alone, which is thrown away with its folder.
const LOCAL = { email: "explorer@example.com", password: "local-explorer" };
const KNOWN = "explorer-has-signed-up";

setNonce(nonce); // for the style sheets that its parts add

async function auth(path, body) {
  const answer = await fetch(`${supabaseUrl}/auth/v1/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", apikey: anonKey },
    body: JSON.stringify(body),
  });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.msg ?? content.message ?? `HTTP ${answer.status}`);
  return content.access_token;
}

const signIn = (account) => auth("token?grant_type=password", account);

async function signInLocally() {
  // What is likelier to be refused comes second: the console shows every refusal as an error.
  const attempts = [() => signIn(LOCAL), () => auth("signup", LOCAL)];
  if (!localStorage.getItem(KNOWN)) attempts.reverse();
  const token = await attempts[0]().catch(attempts[1]);
  localStorage.setItem(KNOWN, "yes");
  return token;
}

// What GraphiQL hands over lags behind the typing, and a subscription would go the way of a query.
function parsed(query) {
  try {
    return parse(query);
  } catch {
    return undefined; // the server says what is wrong with it
  }
}

function fetcherWith(token) {
  const own = token ? { Authorization: `Bearer ${token}` } : {};
  let headers = own;
  const wsClient = createClient({
    url: `${location.origin.replace(/^http/, "ws")}${PATH}`,
    connectionParams: () => headers,
  });
  const ask = createGraphiQLFetcher({ url: PATH, headers: own, wsClient });
  return (params, options) => {
    headers = { ...own, ...options?.headers };
    return ask(params, { ...options, documentAST: parsed(params.query) });
  };
}

function SignIn({ onToken }) {
  const [who, setWho] = useState("");
  const [error, setError] = useState("");
  const become = async (name, attempt) => {
    try {
      const token = await attempt();
      setError("");
      setWho(name);
      onToken(token);
    } catch (refused) {
      setError(`Not signed in: ${refused.message}`);
    }
  };
  const submit = (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.target));
    event.target.reset();
    become(given.email, () => signIn(given));
  };
  if (who)
    return (
      <div className="sign-in">
        <span>Signed in as {who}</span>
        <button type="button" onClick={() => become("", async () => "")}>Sign out</button>
      </div>
    );
  return (
    <form className="sign-in" onSubmit={submit}>
      <input name="email" type="email" placeholder="Email" aria-label="Email" autoComplete="username" required />
      <input name="password" type="password" placeholder="Password" aria-label="Password" autoComplete="current-password" required />
      <button type="submit">Sign in</button>
      {local === "true" && (
        <button type="button" onClick={() => become(LOCAL.email, signInLocally)}>Sign in as a local customer</button>
      )}
      <span role="status">{error}</span>
    </form>
  );
}

function Explorer() {
  const [token, setToken] = useState("");
  const fetcher = useMemo(() => fetcherWith(token), [token]);
  return (
    <>
      {anonKey && <SignIn onToken={setToken} />}
      <main>
        <GraphiQL fetcher={fetcher} defaultQuery={QUERY} isHeadersEditorEnabled />
      </main>
    </>
  );
}

createRoot(root).render(<Explorer />);
